use limen_isa::ValueType::*;
use limen_isa::module::*;
fn base() -> Module {
    Module { types: vec![Signature { params: vec![I32; 1000], results: vec![] }], ..Module::default() }
}
#[test]
fn probe_amplification() {
    let mut m = base();
    m.functions = vec![Function { signature: 0, registers: vec![I32; 1000], code: vec![] }; 200_000];
    let bytes = m.write().unwrap();
    drop(m);
    let rss = || {
        std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let before = rss();
    let m = Module::read(&bytes).unwrap();
    println!("input {} grown {} functions {}", bytes.len(), rss().saturating_sub(before), m.functions.len());
    let hwm = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find(|l| l.starts_with("VmHWM"))
        .unwrap()
        .to_owned();
    println!("{hwm}");
}
#[test]
fn probe_lossy() {
    let mut m = base();
    m.functions = vec![Function { signature: 0, registers: vec![I64; 1000], code: vec![] }];
    println!("registers: lossless {:?}", m.write().map(|b| Module::read(&b).unwrap() == m));
    let m = Module { tables: vec![vec![Some(u32::MAX)]], ..Module::default() };
    println!("tables: lossless {:?}", m.write().map(|b| Module::read(&b).unwrap() == m));
    let m = Module { custom: vec![CustomSection { id: 8, bytes: vec![] }], ..Module::default() };
    println!("custom: lossless {:?}", m.write().map(|b| Module::read(&b).unwrap() == m));
}
