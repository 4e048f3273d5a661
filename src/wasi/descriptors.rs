//! What a program has open.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::str::FromStr;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};

use super::directory::Entry;
use super::errno::Errno;
use super::rights::{self, Rights};
use crate::failure::Failure;

/// A program can have so many descriptors.
const MOST_OPEN: usize = 1024;

/// A directory that a program has from the beginning, and what it is called there.
#[derive(Clone, Debug)]
pub(crate) struct Preopen {
    host: PathBuf,
    guest: String,
}

/// `HOST`, or `HOST::GUEST` if the program is to know it by another name.
impl FromStr for Preopen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, guest) = text.split_once("::").unwrap_or((text, text));
        if host.is_empty() || guest.is_empty() {
            return Err("a directory is needed, or HOST::GUEST".to_owned());
        }
        Ok(Self { host: host.into(), guest: guest.to_owned() })
    }
}

impl Preopen {
    /// The directory, if it has no other name for the program.
    pub(crate) fn unnamed(&self) -> Option<&PathBuf> {
        (self.host.as_os_str() == self.guest.as_str()).then_some(&self.host)
    }
}

/// What a descriptor stands for.
pub(super) enum Object {
    /// One of the process's own streams.
    Stream(File),
    File(File),
    Directory(Dir),
}

/// An open descriptor.
pub(super) struct Descriptor {
    pub(super) object: Object,
    pub(super) base: Rights,
    /// Of what is opened through it.
    pub(super) inheriting: Rights,
    /// As in `fdflags`.
    pub(super) flags: u16,
    /// What the program knows it by, if it had it from the beginning.
    pub(super) preopened: Option<String>,
    /// What was in the directory when it was last read from the beginning.
    pub(super) entries: Option<Vec<Entry>>,
}

impl Descriptor {
    pub(super) fn new(object: Object, base: Rights, inheriting: Rights, flags: u16) -> Self {
        Self { object, base, inheriting, flags, preopened: None, entries: None }
    }

    /// # Errors
    ///
    /// [`Errno::BadDescriptor`] for a directory.
    pub(super) fn file(&mut self) -> Result<&mut File, Errno> {
        match &mut self.object {
            Object::Stream(file) | Object::File(file) => Ok(file),
            Object::Directory(_) => Err(Errno::BadDescriptor),
        }
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        match &self.object {
            Object::Stream(file) | Object::File(file) => Metadata::from_file(file),
            Object::Directory(directory) => directory.dir_metadata(),
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.object {
            Object::Stream(file) | Object::File(file) => file.as_fd(),
            Object::Directory(directory) => directory.as_fd(),
        }
    }
}

/// All descriptors of a program, by number.
pub(super) struct Descriptors(Vec<Option<Descriptor>>);

impl Descriptors {
    /// The standard streams, and directories behind them.
    pub(super) fn new(preopens: &[Preopen]) -> Result<Self, Failure> {
        let mut open: Vec<Option<Descriptor>> = (0..3).map(stream).collect();
        for Preopen { host, guest } in preopens {
            let directory = Dir::open_ambient_dir(host, ambient_authority());
            let directory = directory.map_err(|error| Failure::of_file(host, error))?;
            let (base, inheriting) = (rights::DIRECTORY, rights::DIRECTORY | rights::FILE);
            let preopened = Some(guest.clone());
            let descriptor = Descriptor::new(Object::Directory(directory), base, inheriting, 0);
            open.push(Some(Descriptor { preopened, ..descriptor }));
        }
        Ok(Self(open))
    }

    /// A descriptor that has these rights.
    ///
    /// # Errors
    ///
    /// [`Errno::BadDescriptor`] if it is not open, [`Errno::NotCapable`] if it has not the rights.
    pub(super) fn get(&mut self, number: u32, rights: Rights) -> Result<&mut Descriptor, Errno> {
        let descriptor = self.0.get_mut(number as usize).and_then(Option::as_mut).ok_or(Errno::BadDescriptor)?;
        if descriptor.base & rights == rights { Ok(descriptor) } else { Err(Errno::NotCapable) }
    }

    /// # Errors
    ///
    /// As [`Descriptors::get`]; [`Errno::BadDescriptor`] for a directory.
    pub(super) fn file(&mut self, number: u32, rights: Rights) -> Result<&mut File, Errno> {
        self.get(number, 0)?.file()?;
        self.get(number, rights)?.file()
    }

    /// A descriptor that is open.
    ///
    /// # Errors
    ///
    /// [`Errno::BadDescriptor`].
    pub(super) fn find(&self, number: u32) -> Result<&Descriptor, Errno> {
        self.0.get(number as usize).and_then(Option::as_ref).ok_or(Errno::BadDescriptor)
    }

    /// A directory by number, and what may be done with what is opened through it.
    ///
    /// # Errors
    ///
    /// As [`Descriptors::get`]; [`Errno::NotDirectory`] for anything else.
    pub(super) fn directory(&self, number: u32, rights: Rights) -> Result<(&Dir, Rights), Errno> {
        let descriptor = self.find(number)?;
        let Object::Directory(directory) = &descriptor.object else { return Err(Errno::NotDirectory) };
        if descriptor.base & rights != rights {
            return Err(Errno::NotCapable);
        }
        Ok((directory, descriptor.inheriting))
    }

    /// Gives it the lowest number that is free.
    ///
    /// # Errors
    ///
    /// [`Errno::TooManyDescriptors`].
    pub(super) fn add(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let free = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        if free == MOST_OPEN {
            return Err(Errno::TooManyDescriptors);
        }
        if free == self.0.len() {
            self.0.push(None);
        }
        self.0[free] = Some(descriptor);
        Ok(free as u32)
    }

    /// # Errors
    ///
    /// [`Errno::BadDescriptor`] if it is not open.
    pub(super) fn close(&mut self, number: u32) -> Result<Descriptor, Errno> {
        self.0.get_mut(number as usize).and_then(Option::take).ok_or(Errno::BadDescriptor)
    }

    /// Gives a descriptor the number of another one, which is closed.
    ///
    /// # Errors
    ///
    /// [`Errno::BadDescriptor`] if one of them is not open.
    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(to, 0)?;
        let descriptor = self.close(from)?;
        self.0[to as usize] = Some(descriptor);
        Ok(())
    }
}

/// The process's own stream of this number, if it has it.
fn stream(number: usize) -> Option<Descriptor> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let file = File::from([stdin.as_fd(), stdout.as_fd(), stderr.as_fd()][number].try_clone_to_owned().ok()?);
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let base = if is_file { rights::FILE } else { rights::STREAM };
    Some(Descriptor::new(Object::Stream(file), base, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_numbered_from_the_lowest_that_is_free() {
        let Ok(mut descriptors) = Descriptors::new(&[]) else { panic!("there is nothing to open") };
        let file = || {
            let file = tempfile::tempfile().expect("a temporary file can be made");
            Descriptor::new(Object::File(file), rights::FD_READ, 0, 0)
        };
        assert_eq!(descriptors.add(file()), Ok(3));
        assert_eq!(descriptors.add(file()), Ok(4));
        assert!(descriptors.close(3).is_ok());
        assert_eq!(descriptors.close(3).err(), Some(Errno::BadDescriptor));
        assert_eq!(descriptors.add(file()), Ok(3));
        assert_eq!(descriptors.get(3, rights::FD_WRITE).err(), Some(Errno::NotCapable));
        assert_eq!(descriptors.directory(3, 0).err(), Some(Errno::NotDirectory));
        assert_eq!(descriptors.renumber(3, 9), Err(Errno::BadDescriptor));
        assert_eq!(descriptors.renumber(4, 3), Ok(()));
        assert_eq!(descriptors.get(4, 0).err(), Some(Errno::BadDescriptor));
        let added = (0..MOST_OPEN).map_while(|_| descriptors.add(file()).ok()).count();
        assert_eq!((added, descriptors.add(file())), (MOST_OPEN - 4, Err(Errno::TooManyDescriptors)));
    }

    #[test]
    fn a_directory_can_have_another_name_for_the_program() {
        let names = |text: &str| text.parse::<Preopen>().map(|preopen| (preopen.host, preopen.guest));
        assert_eq!(names("a/b"), Ok(("a/b".into(), "a/b".to_owned())));
        assert_eq!(names("a/b::/"), Ok(("a/b".into(), "/".to_owned())));
        assert!(names("::/").is_err() && names("a::").is_err() && names("").is_err());
    }
}
