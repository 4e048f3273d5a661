//! What comes later comes once, whoever looks first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use limen_isa::module::{Body, Function, Later};

fn counted(count: &Arc<AtomicUsize>) -> Later<Vec<u64>> {
    let count = Arc::clone(count);
    Later::new(move || vec![count.fetch_add(1, Ordering::Relaxed) as u64])
}

#[test]
fn it_comes_when_somebody_looks() {
    let count = Arc::default();
    let mut value = counted(&count);
    assert!(!value.has_come());
    assert_eq!(count.load(Ordering::Relaxed), 0);
    assert_eq!(*value, [0]);
    assert_eq!(*value, [0]);
    assert!(value.has_come());
    value.push(7);
    assert_eq!(value.clone(), Later::from(vec![0, 7]));
    assert_eq!(value.into_value(), [0, 7]);
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert_eq!(*Later::<Vec<u64>>::default(), []);
}

#[test]
fn a_copy_has_it() {
    let count = Arc::default();
    let value = counted(&count);
    let copy = value.clone();
    assert!(value.has_come() && copy.has_come() && value == copy);
    let function = Function { signature: 3, body: Later::new(|| Body { registers: Vec::new(), code: vec![1] }) };
    assert_eq!(function, Function::new(3, Vec::new(), vec![1]));
}

#[test]
fn threads_see_the_same() {
    const THREADS: usize = 4;
    for _ in 0..100 {
        let count = Arc::default();
        let (value, barrier) = (counted(&count), Barrier::new(THREADS));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    barrier.wait();
                    assert_eq!(*value, [0]);
                });
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}
