//! The kernel, looking at whatever it takes for known. What it knows of the usual call (`os-services/kernel/fastpath.lim`) saves it
//! looks: in this one each call and each answer that goes by that looks all the same, and stops the machine where that is wrong.

use std::fs;
use std::sync::OnceLock;

use limen_isa::module::Module;
use limen_vm::{Mode, Verified};

use super::boot::{KERNEL, module_with, path_of};

/// Where the kernel goes by what it knows: in these functions, before this line, and what is asked there.
const PLACES: [(&str, &str, &str); 6] = [
    ("fn on_call(", "    let s, word = ", "check_call(c, target)"),
    ("fn call_lending(", "    let s, word = ", "check_call(c, ctx.ref(c, 0))"),
    ("fn call_inner(", "    let s, word = ", "check_inner_call(c, target)"),
    ("fn on_reply_receive(", "    let to = ", "check_answer(c, source)"),
    ("fn answer_lending(", "    let to, caller = ", "check_answer(c, ctx.ref(c, 0))"),
    ("fn answer_inner(", "    let to = ", "check_inner_answer(c, source)"),
];

/// The kernel of the system, with these looks: always the same module, see [`super::boot::kernel`].
pub(crate) fn checked_kernel() -> Verified<Module> {
    static KERNEL_MODULE: OnceLock<Verified<Module>> = OnceLock::new();
    KERNEL_MODULE.get_or_init(checked).clone()
}

fn checked() -> Verified<Module> {
    let folder = path_of("os-services/kernel");
    module_with(KERNEL, Mode::Kernel, &[], &|name: &str| {
        let source = fs::read_to_string(folder.join(name))?;
        Ok(if name == "fastpath.lim" { with_looks(source) } else { source })
    })
}

fn with_looks(source: String) -> String {
    let looks = fs::read_to_string(path_of("tests/system/known.lim")).expect("it is there");
    PLACES.into_iter().fold(source, |source, place| with_look(&source, place)) + &looks
}

fn with_look(source: &str, (function, line, look): (&str, &str, &str)) -> String {
    let begin = source.find(function).unwrap_or_else(|| panic!("there is no {function}"));
    let length = source[begin..].find(line).unwrap_or_else(|| panic!("{function} has no {line}"));
    let (before, behind) = source.split_at(begin + length);
    format!("{before}    {look}\n{behind}")
}
