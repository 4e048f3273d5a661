//! What programs see of the world: one implementation of what they need of WASI preview 1, called by every engine, so that
//! only engines are compared. Programs have arguments, standard input from memory, and standard output that is kept.

/// Where programs import from.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// The error for functions that nobody here needs.
const NOT_SUPPORTED: i32 = 58;
const BAD_DESCRIPTOR: i32 = 8;
const FAULT: i32 = 21;
const IS_PIPE: i32 = 70;

/// A function: its name, and what it does.
struct Function {
    name: &'static str,
    call: fn(&mut World, &[u64], &mut [u8]) -> Option<i32>,
}

macro_rules! functions {
    ($($name:literal $call:expr;)*) => {
        /// The functions that do something; all others say that they are not supported.
        const FUNCTIONS: &[Function] = &[$(Function { name: $name, call: $call }),*];
    };
}

functions! {
    "args_sizes_get" |world, arguments, memory| world.sizes(arguments, memory);
    "args_get" |world, arguments, memory| world.arguments(arguments, memory);
    "environ_sizes_get" |_, arguments, memory| {
        write_u32(memory, arguments[0], 0)?;
        write_u32(memory, arguments[1], 0)
    };
    "environ_get" |_, _, _| Some(0);
    "clock_time_get" |_, arguments, memory| write(memory, arguments[2], &TIME.to_le_bytes());
    "random_get" |_, arguments, memory| {
        memory.get_mut(range(arguments[0], arguments[1]))?.fill(7);
        Some(0)
    };
    "fd_prestat_get" |_, _, _| Some(BAD_DESCRIPTOR);
    "fd_close" |_, _, _| Some(0);
    "fd_seek" |_, _, _| Some(IS_PIPE);
    "fd_fdstat_get" |_, arguments, memory| {
        // A stream, with all rights.
        write(memory, arguments[1], &[0; 8])?;
        write(memory, arguments[1] + 8, &[0xff; 16])
    };
    "fd_read" |world, arguments, memory| world.read(arguments, memory);
    "fd_write" |world, arguments, memory| world.write(arguments, memory);
    "proc_exit" |world, arguments, _| {
        world.status = Some(arguments[0] as i32);
        Some(0)
    };
}

/// The number of the function of this name; that of nothing if there is none.
pub fn number(name: &str) -> usize {
    FUNCTIONS.iter().position(|function| function.name == name).unwrap_or(FUNCTIONS.len())
}

/// No program sees the time pass: what it prints is the same in every run.
const TIME: u64 = 1_700_000_000_000_000_000;

/// What one run has of it.
pub struct World {
    arguments: Vec<Vec<u8>>,
    input: Vec<u8>,
    position: usize,
    pub output: Vec<u8>,
    /// Once the program has exited.
    pub status: Option<i32>,
}

impl World {
    pub fn new(arguments: &[&str], input: &[u8]) -> Self {
        let arguments = arguments.iter().map(|argument| [argument.as_bytes(), b"\0"].concat()).collect();
        Self { arguments, input: input.to_vec(), position: 0, output: Vec::new(), status: None }
    }

    /// Calls the function of this number, which may lie beyond all. Gives its error number, and 0 for none.
    pub fn call(&mut self, number: usize, arguments: &[u64], memory: &mut [u8]) -> i32 {
        let Some(function) = FUNCTIONS.get(number) else { return NOT_SUPPORTED };
        (function.call)(self, arguments, memory).unwrap_or(FAULT)
    }

    fn sizes(&self, arguments: &[u64], memory: &mut [u8]) -> Option<i32> {
        write_u32(memory, arguments[0], self.arguments.len() as u32)?;
        write_u32(memory, arguments[1], self.arguments.iter().map(Vec::len).sum::<usize>() as u32)
    }

    fn arguments(&self, arguments: &[u64], memory: &mut [u8]) -> Option<i32> {
        let (mut pointer, mut place) = (arguments[0], arguments[1]);
        for argument in &self.arguments {
            write_u32(memory, pointer, place as u32)?;
            write(memory, place, argument)?;
            (pointer, place) = (pointer + 4, place + argument.len() as u64);
        }
        Some(0)
    }

    fn read(&mut self, arguments: &[u64], memory: &mut [u8]) -> Option<i32> {
        let begun = self.position;
        for (place, length) in buffers(arguments, memory)? {
            let length = length.min((self.input.len() - self.position) as u64);
            let bytes = &self.input[self.position..self.position + length as usize];
            write(memory, place, bytes)?;
            self.position += bytes.len();
        }
        write_u32(memory, arguments[3], (self.position - begun) as u32)
    }

    /// Standard error is no output.
    fn write(&mut self, arguments: &[u64], memory: &mut [u8]) -> Option<i32> {
        let mut total = 0;
        for (place, length) in buffers(arguments, memory)? {
            let bytes = memory.get(range(place, length))?;
            total += bytes.len();
            if arguments[0] == 1 {
                self.output.extend_from_slice(bytes);
            }
        }
        write_u32(memory, arguments[3], total as u32)
    }
}

fn range(place: u64, length: u64) -> std::ops::Range<usize> {
    place as usize..(place + length) as usize
}

fn write(memory: &mut [u8], place: u64, bytes: &[u8]) -> Option<i32> {
    memory.get_mut(range(place, bytes.len() as u64))?.copy_from_slice(bytes);
    Some(0)
}

fn write_u32(memory: &mut [u8], place: u64, value: u32) -> Option<i32> {
    write(memory, place, &value.to_le_bytes())
}

/// The buffers that a function for reading or writing is given.
fn buffers(arguments: &[u64], memory: &[u8]) -> Option<Vec<(u64, u64)>> {
    let word = |place| Some(u64::from(u32::from_le_bytes(memory.get(range(place, 4))?.try_into().ok()?)));
    (0..arguments[2])
        .map(|index| Some((word(arguments[1] + 8 * index)?, word(arguments[1] + 8 * index + 4)?)))
        .collect()
}
