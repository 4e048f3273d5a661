//! What holds of the kernel's code as a whole: its calls make no circle, and the deepest chain of them fits the kernel's stack
//! many times over; the page on its calls names them all.

use std::path::Path;

use limen_assembler::{Options, assemble_file};
use limen_isa::codec::{ModuleShapes, Value, decode};
use limen_isa::module::Module;

/// Cells that a frame takes besides its registers: SPEC.md, section 10.
const FRAME_CELLS: usize = 4;

/// Cells of the kernel's stack: SPEC.md, section 13.
const STACK_CELLS: usize = 65_536;

/// Lines of a kernel that one person can read.
const MOST_LINES: usize = 4_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn kernel() -> Module {
    let path = root().join("os-services/kernel/kernel.lim");
    assemble_file(&path, Options::default()).unwrap_or_else(|errors| panic!("{errors}")).module
}

/// The functions that a function calls. Calls through tables would hide others: the kernel has none.
fn callees(module: &Module, function: u32) -> Vec<u32> {
    let code = &module.functions[function as usize].code;
    let shapes = ModuleShapes { module, function };
    let (mut pc, mut found) = (0, Vec::new());
    while pc < code.len() {
        let (instruction, length) = decode(code, pc, &shapes).expect("what was assembled decodes");
        let row = instruction.opcode.row();
        assert_ne!(row.mnemonic, "call_indirect", "the kernel calls nothing that it does not name");
        if row.mnemonic == "call" {
            let place = row.operands.iter().position(|operand| operand.kind == limen_isa::OperandKind::Function);
            let Some(Value::Integer(callee)) = place.map(|place| &instruction.values[place]) else {
                panic!("a call names a function");
            };
            found.push(u32::try_from(*callee).expect("an index is not negative"));
        }
        pc += length;
    }
    found
}

/// The cells of the deepest chain of calls that begins with a function.
fn depth(module: &Module, function: u32, chain: &mut Vec<u32>, known: &mut [Option<usize>]) -> usize {
    assert!(!chain.contains(&function), "functions {chain:?} call {function} in a circle");
    if let Some(cells) = known[function as usize] {
        return cells;
    }
    chain.push(function);
    let below = callees(module, function).into_iter().map(|callee| depth(module, callee, chain, known)).max();
    chain.pop();
    let cells = module.functions[function as usize].registers.len() + FRAME_CELLS + below.unwrap_or(0);
    known[function as usize] = Some(cells);
    cells
}

#[test]
fn calls_in_the_kernel_make_no_circle_and_fit_its_stack() {
    let module = kernel();
    let mut known = vec![None; module.functions.len()];
    let deepest = (0..module.functions.len() as u32)
        .map(|function| depth(&module, function, &mut Vec::new(), &mut known))
        .max()
        .expect("the kernel has functions");
    println!("the deepest chain of calls takes {deepest} of {STACK_CELLS} cells");
    assert!(deepest * 16 < STACK_CELLS, "{deepest} cells");
}

#[test]
fn the_kernel_is_short() {
    let files = std::fs::read_dir(root().join("os-services/kernel")).expect("the folder is there");
    let lines: usize = files
        .map(|file| {
            std::fs::read_to_string(file.expect("it can be listed").path()).expect("it is text").lines().count()
        })
        .sum();
    assert!(lines > 0 && lines < MOST_LINES, "{lines} lines");
}

/// The constants `SVC_NAME = number` of a source.
fn calls_of(source: &str) -> Vec<(String, u32)> {
    let constant = |line: &str| {
        let (name, number) = line.strip_prefix("const SVC_")?.split_once(" = ")?;
        Some((name.to_lowercase(), number.parse().ok()?))
    };
    source.lines().filter_map(constant).collect()
}

#[test]
fn the_page_on_the_kernel_names_each_call_with_its_number() {
    let page = std::fs::read_to_string(root().join("docs/src/system/kernel.md")).expect("the page is there");
    let mut numbers = Vec::new();
    for library in ["std/ipc.lim", "std/kernel.lim"] {
        let source = std::fs::read_to_string(root().join(library)).expect("the library is there");
        for (name, number) in calls_of(&source) {
            assert!(page.contains(&format!("\n| {number} | `{name}` |")), "the page has no row for {name}, {number}");
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    let listed = page.lines().filter(|line| {
        line.strip_prefix("| ").and_then(|line| line.split_once(" | `")).is_some_and(|(n, _)| n.parse::<u32>().is_ok())
    });
    assert_eq!(listed.count(), numbers.len(), "the page has rows for calls that there are not");
    assert!(numbers.len() > 30, "the libraries say which calls there are");
}
