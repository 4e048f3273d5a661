//! The first contents of home, put together from pieces that may overlap.

use std::collections::BTreeMap;

use limen_isa::module::DataSegment;

/// Pieces by address; none overlaps another.
#[derive(Default)]
pub(crate) struct Image {
    pieces: BTreeMap<u64, Vec<u8>>,
}

impl Image {
    /// Puts bytes at an address, over whatever is there.
    pub(crate) fn put(&mut self, address: u64, bytes: &[u8]) {
        let end = address + bytes.len() as u64;
        while let Some((start, piece)) = self.overlapping(address, end) {
            if start < address {
                let before = piece[..(address - start) as usize].to_vec();
                self.pieces.insert(start, before);
            }
            let piece_end = start + piece.len() as u64;
            if piece_end > end {
                self.pieces.insert(end, piece[(end - start) as usize..].to_vec());
            }
        }
        if !bytes.is_empty() {
            self.pieces.insert(address, bytes.to_vec());
        }
    }

    /// Puts a count of 4 bytes and the things themselves behind it.
    pub(crate) fn put_counted(&mut self, address: u32, bytes: &[u8], count: usize) {
        self.put(u64::from(address), &(count as u32).to_le_bytes());
        self.put(u64::from(address) + 4, bytes);
    }

    /// Takes out a piece that has bytes in the range.
    fn overlapping(&mut self, address: u64, end: u64) -> Option<(u64, Vec<u8>)> {
        let (start, piece) = self.pieces.range(..end).next_back()?;
        let (start, length) = (*start, piece.len() as u64);
        if start + length <= address {
            return None;
        }
        self.pieces.remove(&start).map(|piece| (start, piece))
    }

    /// The pieces, ascending; those that touch are one.
    pub(crate) fn finish(self) -> Vec<DataSegment> {
        let mut segments: Vec<DataSegment> = Vec::new();
        for (address, bytes) in self.pieces {
            match segments.last_mut() {
                Some(last) if u64::from(last.address) + last.bytes.len() as u64 == address => last.bytes.extend(bytes),
                _ => segments.push(DataSegment { address: address as u32, bytes }),
            }
        }
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(pieces: &[(u64, &str)]) -> Vec<(u32, String)> {
        let mut image = Image::default();
        pieces.iter().for_each(|(address, text)| image.put(*address, text.as_bytes()));
        let text = |segment: DataSegment| (segment.address, String::from_utf8_lossy(&segment.bytes).into_owned());
        image.finish().into_iter().map(text).collect()
    }

    #[test]
    fn later_pieces_cover_earlier_ones() {
        assert_eq!(image(&[(0, "abcdef"), (2, "XY")]), [(0, "abXYef".to_owned())]);
        assert_eq!(image(&[(2, "ab"), (0, "XXXXXX")]), [(0, "XXXXXX".to_owned())]);
        assert_eq!(image(&[(0, "ab"), (4, "cd"), (1, "XYZU")]), [(0, "aXYZUd".to_owned())]);
    }

    #[test]
    fn what_is_apart_stays_apart() {
        assert_eq!(image(&[(8, "b"), (0, "a"), (3, "")]), [(0, "a".to_owned()), (8, "b".to_owned())]);
    }
}
