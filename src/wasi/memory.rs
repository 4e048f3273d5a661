//! The memory of a program, as functions of WASI see it.

use std::ops::Range;

use super::errno::Errno;

/// The memory of the program. An address or length that does not fit is the program's error, [`Errno::Fault`].
pub(super) struct Memory<'a> {
    bytes: &'a mut [u8],
}

/// So many buffers may be given at once, as `IOV_MAX` of POSIX systems.
const MOST_BUFFERS: u32 = 1024;

/// Bytes of a buffer's description: its address and its length.
const BUFFER: u32 = 8;

impl<'a> Memory<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes }
    }

    fn range(address: u32, length: u32) -> Range<usize> {
        address as usize..address as usize + length as usize
    }

    pub(super) fn bytes(&self, address: u32, length: u32) -> Result<&[u8], Errno> {
        self.bytes.get(Self::range(address, length)).ok_or(Errno::Fault)
    }

    pub(super) fn bytes_mut(&mut self, address: u32, length: u32) -> Result<&mut [u8], Errno> {
        self.bytes.get_mut(Self::range(address, length)).ok_or(Errno::Fault)
    }

    fn array<const N: usize>(&self, address: u32) -> Result<[u8; N], Errno> {
        self.bytes(address, N as u32)?.try_into().map_err(|_| Errno::Fault)
    }

    pub(super) fn u8(&self, address: u32) -> Result<u8, Errno> {
        self.array(address).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&self, address: u32) -> Result<u16, Errno> {
        self.array(address).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self, address: u32) -> Result<u32, Errno> {
        self.array(address).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&self, address: u32) -> Result<u64, Errno> {
        self.array(address).map(u64::from_le_bytes)
    }

    /// Text; paths are.
    pub(super) fn text(&self, address: u32, length: u32) -> Result<&str, Errno> {
        std::str::from_utf8(self.bytes(address, length)?).map_err(|_| Errno::IllegalSequence)
    }

    pub(super) fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Errno> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::Overflow)?;
        self.bytes_mut(address, length)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Errno> {
        self.write(address, &value.to_le_bytes())
    }

    pub(super) fn write_u64(&mut self, address: u32, value: u64) -> Result<(), Errno> {
        self.write(address, &value.to_le_bytes())
    }

    /// The addresses and lengths of buffers. All of them lie in the memory, and not more bytes in all than a result can say.
    pub(super) fn buffers(&self, address: u32, count: u32) -> Result<Vec<(u32, u32)>, Errno> {
        if count > MOST_BUFFERS {
            return Err(Errno::Invalid);
        }
        let (descriptions, _) = self.bytes(address, count * BUFFER)?.as_chunks::<{ BUFFER as usize }>();
        let mut total = 0u32;
        let mut buffers = Vec::with_capacity(descriptions.len());
        for [a, b, c, d, e, f, g, h] in descriptions {
            let buffer = (u32::from_le_bytes([*a, *b, *c, *d]), u32::from_le_bytes([*e, *f, *g, *h]));
            self.bytes(buffer.0, buffer.1)?;
            total = total.checked_add(buffer.1).ok_or(Errno::Invalid)?;
            buffers.push(buffer);
        }
        Ok(buffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_beyond_the_end_is_reached() {
        let mut bytes = [0; 16];
        let mut memory = Memory::new(&mut bytes);
        assert_eq!(memory.write_u64(8, 7), Ok(()));
        assert_eq!(memory.u64(8), Ok(7));
        assert_eq!(memory.u64(9), Err(Errno::Fault));
        assert_eq!(memory.write_u32(u32::MAX, 0), Err(Errno::Fault));
        assert_eq!(memory.bytes(u32::MAX, u32::MAX), Err(Errno::Fault));
        assert_eq!(memory.bytes(16, 0), Ok(&[][..]));
    }

    #[test]
    fn buffers_are_few_and_lie_in_memory() {
        let mut bytes = [0; 32];
        let mut memory = Memory::new(&mut bytes);
        for (address, value) in [(0, 16), (4, 16), (8, 31), (12, 2)] {
            memory.write_u32(address, value).expect("it lies in the memory");
        }
        assert_eq!(memory.buffers(0, 1), Ok(vec![(16, 16)]));
        assert_eq!(memory.buffers(0, 2), Err(Errno::Fault));
        assert_eq!(memory.buffers(0, 5), Err(Errno::Fault));
        assert_eq!(memory.buffers(0, u32::MAX), Err(Errno::Invalid));
    }
}
