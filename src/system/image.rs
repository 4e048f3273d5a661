//! The boot image: one file with all that a machine boots from.
//!
//! Little-endian, without gaps:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `LIMG` |
//! | 2 | version |
//! | 2 | zero |
//! | 8 | bytes of the whole file |
//! | 8 | bytes of memory of the machine |
//! | 4, 4, 4 | number of devices, number of modules (init first), bytes of the plan |
//! | 4 each | sorts of the devices, in the order of the plan |
//! | 4 each | lengths of the kernel and of the modules |
//! | | kernel, modules, plan |
//! | 4 | CRC-32 of everything before |
//!
//! An image has one byte string: what reads is what writing gives back.

use std::collections::HashSet;

use thiserror::Error;

/// The first bytes of every image.
pub(crate) const MAGIC: [u8; 4] = *b"LIMG";

/// The version that is read and written.
const VERSION: u16 = 1;

/// Bytes before the sorts of the devices.
const HEADER_BYTES: usize = 36;

/// Bytes of the checksum.
const CHECKSUM_BYTES: usize = 4;

/// All that a machine boots from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// The kernel's module.
    pub(crate) kernel: Vec<u8>,
    /// The other modules: init first, then those of the services, each once.
    pub(crate) modules: Vec<Vec<u8>>,
    /// What init is told.
    pub(crate) plan: Vec<u8>,
    /// The devices, in the order in which the plan lists them.
    pub(crate) devices: Vec<DeviceSort>,
    /// How many bytes the machine may use.
    pub(crate) memory: u64,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum DeviceSort {
    /// The terminal.
    Console = 0,
    /// The socket on which `limen ctl` talks to the system.
    Control = 1,
    /// A source of random bytes.
    Entropy = 2,
    /// What all calls are recorded with.
    Record = 3,
}

impl DeviceSort {
    /// All sorts, in the order of their codes.
    pub(crate) const ALL: [Self; 4] = [Self::Console, Self::Control, Self::Entropy, Self::Record];

    fn from_code(code: u32) -> Result<Self, ImageError> {
        Self::ALL.get(code as usize).copied().ok_or(ImageError::UnknownDevice(code))
    }
}

/// Why bytes are not an image.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ImageError {
    #[error("this is not an image: it does not begin with `LIMG`")]
    Magic,
    #[error("the image has version {0}, and this program reads version {VERSION}: build it again with this program")]
    Version(u16),
    #[error("the image is not complete: it should have {wanted} bytes and has {there}")]
    Truncated { wanted: u64, there: usize },
    #[error("there are {0} bytes behind the image")]
    TooLong(u64),
    #[error("the checksum does not match: the image is damaged")]
    Checksum,
    #[error("the image contradicts itself: {0}")]
    Contradiction(&'static str),
    #[error("{0} is no sort of device")]
    UnknownDevice(u32),
}

impl Image {
    /// The byte string of the image.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 2]);
        out.extend((self.size() as u64).to_le_bytes());
        out.extend(self.memory.to_le_bytes());
        [self.devices.len(), self.modules.len(), self.plan.len()].into_iter().for_each(|count| word(&mut out, count));
        self.devices.iter().for_each(|sort| word(&mut out, *sort as usize));
        self.parts().for_each(|part| word(&mut out, part.len()));
        self.parts().chain([&self.plan]).for_each(|part| out.extend(part));
        let checksum = crc32fast::hash(&out);
        word(&mut out, checksum as usize);
        out
    }

    /// The kernel and the modules.
    fn parts(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.kernel).chain(&self.modules)
    }

    /// How many bytes it takes.
    fn size(&self) -> usize {
        let words = self.devices.len() + 1 + self.modules.len();
        let contents: usize = self.parts().map(Vec::len).sum();
        HEADER_BYTES + words * 4 + contents + self.plan.len() + CHECKSUM_BYTES
    }

    /// Reads what [`Image::write`] wrote. Modules and plan are opaque here: the verifier looks at the ones, init at the other.
    ///
    /// # Errors
    ///
    /// If the bytes are anything else.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut fields = Fields { rest: checked(bytes)? };
        let memory = fields.u64()?;
        let (devices, modules, plan) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let devices = fields.words(devices)?.into_iter().map(DeviceSort::from_code).collect::<Result<_, _>>()?;
        let kernel = fields.u32()?;
        let modules = fields.words(modules)?;
        let mut part = |length: u32| fields.take(length as usize).map(<[u8]>::to_vec);
        let kernel = part(kernel)?;
        let modules = modules.into_iter().map(&mut part).collect::<Result<_, _>>()?;
        let image = Self { kernel, modules, plan: part(plan)?, devices, memory };
        image.check(fields.rest)?;
        Ok(image)
    }

    fn check(&self, rest: &[u8]) -> Result<(), ImageError> {
        let mut seen = HashSet::new();
        let problem = if !rest.is_empty() {
            "there are bytes that belong to no part"
        } else if self.modules.is_empty() {
            "there is no init"
        } else if !self.modules[1..].iter().all(|module| seen.insert(module)) {
            "the module of a service is there twice"
        } else {
            return Ok(());
        };
        Err(ImageError::Contradiction(problem))
    }
}

fn word(out: &mut Vec<u8>, value: usize) {
    let value = u32::try_from(value).expect("parts of an image come from files of at most 256 MiB");
    out.extend(value.to_le_bytes());
}

/// What lies between the length of the whole and the checksum, once both are right.
fn checked(bytes: &[u8]) -> Result<&[u8], ImageError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(ImageError::Magic);
    }
    let shorter = ImageError::Truncated { wanted: (HEADER_BYTES + CHECKSUM_BYTES) as u64, there: bytes.len() };
    let mut fields = Fields { rest: &bytes[MAGIC.len()..] };
    let version = fields.u32().map_err(|_| shorter.clone())?;
    if version as u16 != VERSION {
        return Err(ImageError::Version(version as u16));
    }
    let wanted = fields.u64().map_err(|_| shorter.clone())?;
    match wanted.cmp(&(bytes.len() as u64)) {
        std::cmp::Ordering::Greater => return Err(ImageError::Truncated { wanted, there: bytes.len() }),
        std::cmp::Ordering::Less => return Err(ImageError::TooLong(bytes.len() as u64 - wanted)),
        std::cmp::Ordering::Equal => {}
    }
    let (contents, checksum) = fields.rest.split_last_chunk::<CHECKSUM_BYTES>().ok_or(shorter)?;
    let covered = &bytes[..bytes.len() - CHECKSUM_BYTES];
    if crc32fast::hash(covered) != u32::from_le_bytes(*checksum) {
        return Err(ImageError::Checksum);
    }
    if version >> 16 != 0 {
        return Err(ImageError::Contradiction("a field that is zero in this version is not"));
    }
    Ok(contents)
}

/// Fields taken one after the other; a count is compared with what is left before room is made for so many.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ImageError> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(ImageError::Contradiction("a part is longer than the whole"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ImageError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, ImageError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ImageError> {
        self.array().map(u64::from_le_bytes)
    }

    fn words(&mut self, count: u32) -> Result<Vec<u32>, ImageError> {
        let (words, _) = self.take((count as usize).saturating_mul(4))?.as_chunks();
        Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
    }
}

#[cfg(test)]
mod tests;
