use super::*;

fn image() -> Image {
    Image {
        kernel: b"the kernel".to_vec(),
        modules: vec![b"init".to_vec(), Vec::new(), b"a service".to_vec()],
        plan: b"the plan".to_vec(),
        devices: vec![DeviceSort::Control, DeviceSort::Console, DeviceSort::Console, DeviceSort::Entropy],
        memory: 1 << 33,
    }
}

/// Bytes with the checksum and the length that belong to them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = bytes.len() as u64;
    bytes[8..16].copy_from_slice(&length.to_le_bytes());
    let (covered, checksum) = bytes.split_last_chunk_mut::<CHECKSUM_BYTES>().expect("an image has a checksum");
    *checksum = crc32fast::hash(covered).to_le_bytes();
    bytes
}

#[test]
fn what_is_written_is_read() {
    let bytes = image().write();
    assert_eq!(Image::read(&bytes), Ok(image()));
    assert_eq!(bytes.len(), image().size());
}

#[test]
fn every_damaged_byte_is_found() {
    let bytes = image().write();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << bit;
            assert!(Image::read(&damaged).is_err(), "byte {place}, bit {bit}");
        }
    }
}

#[test]
fn every_shorter_or_longer_file_is_refused() {
    let bytes = image().write();
    for length in 0..bytes.len() {
        let error = Image::read(&bytes[..length]).expect_err("it is not complete");
        let expected = matches!(error, ImageError::Truncated { .. }) || length < MAGIC.len();
        assert!(expected, "{length} bytes: {error}");
    }
    let longer: Vec<u8> = bytes.iter().copied().chain([0, 0]).collect();
    assert_eq!(Image::read(&longer), Err(ImageError::TooLong(2)));
}

#[test]
fn other_versions_are_named() {
    let mut bytes = image().write();
    bytes[4] = 7;
    assert_eq!(Image::read(&bytes), Err(ImageError::Version(7)));
    assert_eq!(Image::read(b"LIMO and more"), Err(ImageError::Magic));
}

/// What is damaged with care, so that the checksum is right, is refused or is another image in its one form.
#[test]
fn contradictions_are_refused() {
    let bytes = image().write();
    for place in (0..bytes.len() - CHECKSUM_BYTES).filter(|place| !(8..16).contains(place)) {
        for value in [0, 1, 2, 3, 0x7f, 0xff] {
            let mut damaged = bytes.clone();
            damaged[place] = value;
            let damaged = sealed(damaged);
            if let Ok(read) = Image::read(&damaged) {
                assert!(read.write() == damaged, "byte {place} as {value}");
            }
        }
    }
    let twice = Image { modules: vec![b"init".to_vec(); 3], ..image() };
    let problem = "the module of a service is there twice";
    assert_eq!(Image::read(&twice.write()), Err(ImageError::Contradiction(problem)));
    let none = Image { modules: Vec::new(), ..image() };
    assert_eq!(Image::read(&none.write()), Err(ImageError::Contradiction("there is no init")));
    let mut more = image().write();
    more.extend([0; 4]);
    let problem = "there are bytes that belong to no part";
    assert_eq!(Image::read(&sealed(more)), Err(ImageError::Contradiction(problem)));
}
