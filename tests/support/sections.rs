//! A snapshot's bytes, taken apart to be changed. `vm/src/snapshot.rs` says how it lies in them.

/// Bytes of the magic and the version, and of the checksum.
const BEFORE: usize = 6;
const CHECKSUM: usize = 4;

/// The sections of a snapshot, with their numbers.
pub(crate) struct Sections {
    before: [u8; BEFORE],
    all: Vec<(u32, Vec<u8>)>,
}

impl Sections {
    pub(crate) fn of(snapshot: &[u8]) -> Self {
        const WHOLE: &str = "a snapshot is whole";
        let (mut rest, _checksum) = snapshot.split_last_chunk::<CHECKSUM>().expect(WHOLE);
        let before = rest.split_off(..BEFORE).and_then(|bytes| bytes.first_chunk()).expect(WHOLE);
        let mut all = Vec::new();
        while let Some((number, behind)) = rest.split_first_chunk() {
            let (length, behind) = behind.split_first_chunk().expect(WHOLE);
            let (payload, behind) = behind.split_at(u64::from_le_bytes(*length) as usize);
            all.push((u32::from_le_bytes(*number), payload.to_vec()));
            rest = behind;
        }
        Self { before: *before, all }
    }

    /// The bytes again.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.before.to_vec();
        for (number, payload) in &self.all {
            bytes.extend(number.to_le_bytes());
            bytes.extend((payload.len() as u64).to_le_bytes());
            bytes.extend(payload);
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    pub(crate) fn section(&self, wanted: u32) -> &Vec<u8> {
        &self.all.iter().find(|(number, _)| *number == wanted).expect("a snapshot has all sections").1
    }

    pub(crate) fn section_mut(&mut self, wanted: u32) -> &mut Vec<u8> {
        &mut self.all.iter_mut().find(|(number, _)| *number == wanted).expect("a snapshot has all sections").1
    }
}
