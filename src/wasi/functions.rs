//! The functions of WASI preview 1: names, types, and what does them.

use limen_wasm::{FunctionType, Type};

use super::{Call, Refusal, Wasi, directory, file, path, poll, process};

/// No function has more parameters.
pub(super) const MOST_ARGUMENTS: usize = 9;

/// As many fit a message; those of functions with more lie in home.
pub(super) const MESSAGE_ARGUMENTS: usize = 8;

/// A function.
pub(super) struct Function {
    name: &'static str,
    /// A letter for each parameter: `i` has 32 bits, `I` 64.
    parameters: &'static str,
    pub(super) implementation: fn(&mut Wasi, &mut Call<'_>) -> Result<(), Refusal>,
}

impl Function {
    const fn new(
        name: &'static str,
        parameters: &'static str,
        implementation: fn(&mut Wasi, &mut Call<'_>) -> Result<(), Refusal>,
    ) -> Self {
        Self { name, parameters, implementation }
    }

    pub(super) fn parameters(&self) -> &'static str {
        self.parameters
    }
}

/// The function that has no result, since it does not come back.
const EXIT: &str = "proc_exit";

/// All functions. The number of each is that of its service: translated modules have it, so that new ones come last.
pub(super) const FUNCTIONS: [Function; 46] = [
    Function::new("args_get", "ii", process::args_get),
    Function::new("args_sizes_get", "ii", process::args_sizes_get),
    Function::new("environ_get", "ii", process::environ_get),
    Function::new("environ_sizes_get", "ii", process::environ_sizes_get),
    Function::new("clock_res_get", "ii", process::clock_res_get),
    Function::new("clock_time_get", "iIi", process::clock_time_get),
    Function::new("fd_advise", "iIIi", file::advise),
    Function::new("fd_allocate", "iII", file::allocate),
    Function::new("fd_close", "i", file::close),
    Function::new("fd_datasync", "i", file::datasync),
    Function::new("fd_fdstat_get", "ii", file::fdstat_get),
    Function::new("fd_fdstat_set_flags", "ii", file::fdstat_set_flags),
    Function::new("fd_fdstat_set_rights", "iII", file::fdstat_set_rights),
    Function::new("fd_filestat_get", "ii", file::filestat_get),
    Function::new("fd_filestat_set_size", "iI", file::filestat_set_size),
    Function::new("fd_filestat_set_times", "iIIi", file::filestat_set_times),
    Function::new("fd_pread", "iiiIi", file::pread),
    Function::new("fd_prestat_get", "ii", directory::prestat_get),
    Function::new("fd_prestat_dir_name", "iii", directory::prestat_dir_name),
    Function::new("fd_pwrite", "iiiIi", file::pwrite),
    Function::new("fd_read", "iiii", file::read),
    Function::new("fd_readdir", "iiiIi", directory::readdir),
    Function::new("fd_renumber", "ii", file::renumber),
    Function::new("fd_seek", "iIii", file::seek),
    Function::new("fd_sync", "i", file::sync),
    Function::new("fd_tell", "ii", file::tell),
    Function::new("fd_write", "iiii", file::write),
    Function::new("path_create_directory", "iii", path::create_directory),
    Function::new("path_filestat_get", "iiiii", path::filestat_get),
    Function::new("path_filestat_set_times", "iiiiIIi", path::filestat_set_times),
    Function::new("path_link", "iiiiiii", path::link),
    Function::new("path_open", "iiiiiIIii", path::open),
    Function::new("path_readlink", "iiiiii", path::readlink),
    Function::new("path_remove_directory", "iii", path::remove_directory),
    Function::new("path_rename", "iiiiii", path::rename),
    Function::new("path_symlink", "iiiii", path::symlink),
    Function::new("path_unlink_file", "iii", path::unlink_file),
    Function::new("poll_oneoff", "iiii", poll::poll_oneoff),
    Function::new(EXIT, "i", process::proc_exit),
    Function::new("proc_raise", "i", process::not_supported),
    Function::new("sched_yield", "", process::sched_yield),
    Function::new("random_get", "ii", process::random_get),
    Function::new("sock_accept", "iii", file::socket),
    Function::new("sock_recv", "iiiiii", file::socket),
    Function::new("sock_send", "iiiii", file::socket),
    Function::new("sock_shutdown", "ii", file::socket),
];

/// The number of the function of this name.
pub(super) fn number(name: &str) -> Option<u32> {
    FUNCTIONS.iter().position(|function| function.name == name).map(|index| index as u32)
}

/// The type of the function of this number.
pub(super) fn ty(number: u32) -> FunctionType {
    let function = &FUNCTIONS[number as usize];
    let params = function.parameters.bytes().map(|letter| if letter == b'i' { Type::I32 } else { Type::I64 });
    let results = if function.name == EXIT { Vec::new() } else { vec![Type::I32] };
    FunctionType { params: params.collect(), results }
}
