//! WebAssembly components that call each other under wasmtime: isolated from each other, and what they pass is copied.

use wasmtime::component::{Component, ComponentNamedList, Instance, Lift, Linker, Lower};
use wasmtime::{Config, Engine, Store};

/// A client and its server. The server adds words, and of bytes the first and the last one.
const TEXT: &str = r#"
(component
  (component $Server
    (core module $M
      (memory (export "memory") 3)
      (func (export "room") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
      (func (export "nothing"))
      (func (export "words") (param i64 i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
      (func (export "bytes") (param $at i32) (param $len i32) (result i32)
        (i32.add
          (i32.load8_u (local.get $at))
          (i32.load8_u (i32.sub (i32.add (local.get $at) (local.get $len)) (i32.const 1))))))
    (core instance $i (instantiate $M))
    (func (export "nothing") (canon lift (core func $i "nothing")))
    (func (export "words") (param "a" u64) (param "b" u64) (param "c" u64) (result u64)
      (canon lift (core func $i "words")))
    (func (export "bytes") (param "bytes" (list u8)) (result u32)
      (canon lift (core func $i "bytes") (memory (core memory $i "memory")) (realloc (core func $i "room")))))
  (component $Client
    (import "nothing" (func $nothing))
    (import "words" (func $words (param "a" u64) (param "b" u64) (param "c" u64) (result u64)))
    (import "bytes" (func $bytes (param "bytes" (list u8)) (result u32)))
    (core module $Memory (memory (export "memory") 2))
    (core instance $memory (instantiate $Memory))
    (core func $nothing_below (canon lower (func $nothing)))
    (core func $words_below (canon lower (func $words)))
    (core func $bytes_below (canon lower (func $bytes) (memory (core memory $memory "memory"))))
    (core module $M
      (import "" "memory" (memory 2))
      (import "" "nothing" (func $nothing))
      (import "" "words" (func $words (param i64 i64 i64) (result i64)))
      (import "" "bytes" (func $bytes (param i32 i32) (result i32)))
      (func (export "nothing") (param $n i32)
        (loop $again
          (call $nothing)
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (func (export "words") (param $n i32)
        (local $b i64)
        (loop $again
          (local.set $b (i64.extend_i32_u (local.get $n)))
          (if (i64.ne (call $words (i64.const 3) (local.get $b) (i64.const 4)) (i64.add (local.get $b) (i64.const 3)))
            (then unreachable))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (func (export "bytes") (param $n i32) (param $len i32)
        (loop $again
          (i32.store8 (i32.sub (local.get $len) (i32.const 1)) (local.get $n))
          (if (i32.ne (call $bytes (i32.const 0) (local.get $len)) (i32.and (local.get $n) (i32.const 255)))
            (then unreachable))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
    (core instance $m (instantiate $M
      (with "" (instance
        (export "memory" (memory $memory "memory"))
        (export "nothing" (func $nothing_below))
        (export "words" (func $words_below))
        (export "bytes" (func $bytes_below))))))
    (func (export "nothing") (param "n" u32) (canon lift (core func $m "nothing")))
    (func (export "words") (param "n" u32) (canon lift (core func $m "words")))
    (func (export "bytes") (param "n" u32) (param "len" u32) (canon lift (core func $m "bytes"))))
  (instance $server (instantiate $Server))
  (instance $client (instantiate $Client
    (with "nothing" (func $server "nothing"))
    (with "words" (func $server "words"))
    (with "bytes" (func $server "bytes"))))
  (export "nothing" (func $client "nothing"))
  (export "words" (func $client "words"))
  (export "bytes" (func $client "bytes")))
"#;

/// An instance of both.
pub struct Components {
    store: Store<()>,
    instance: Instance,
}

impl Components {
    /// Limen can be stopped at any call and loop turn; these only where they are stoppable.
    pub fn new(is_stoppable: bool) -> Self {
        let mut config = Config::new();
        config.epoch_interruption(is_stoppable);
        let engine = Engine::new(&config).expect("the host can run it");
        let bytes = wat::parse_str(TEXT).expect("it is a component");
        let component = Component::new(&engine, bytes).expect("it compiles");
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(1 << 40);
        let instance = Linker::new(&engine).instantiate(&mut store, &component).expect("it needs nothing");
        Self { store, instance }
    }

    pub fn nothing(&mut self, rounds: usize) {
        self.call("nothing", (rounds as u32,));
    }

    pub fn words(&mut self, rounds: usize) {
        self.call("words", (rounds as u32,));
    }

    pub fn bytes(&mut self, rounds: usize, size: u32) {
        self.call("bytes", (rounds as u32, size));
    }

    fn call<P: ComponentNamedList + Lower + Lift>(&mut self, name: &str, arguments: P) {
        let function = self.instance.get_typed_func::<P, ()>(&mut self.store, name).expect("it is exported");
        function.call(&mut self.store, arguments).expect("the answers are right");
    }
}
