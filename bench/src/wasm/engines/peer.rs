//! The world for programs under an engine that was made for WebAssembly: the peers are embedded in the same way.

/// A function `linker`, which gives a program of `$peer` what it imports. `$exit` is the error that ends a program.
macro_rules! world_for {
    ($peer:ident, $exit:expr) => {
        fn linker(engine: &Engine, module: &Module) -> $peer::Linker<World> {
            use crate::wasm::world::number;
            use $peer::{Caller, ExternType, Val};
            let mut linker = $peer::Linker::new(engine);
            for import in module.imports() {
                let ExternType::Func(ty) = import.ty() else { panic!("programs import functions") };
                let number = number(import.name());
                let function = move |mut caller: Caller<'_, World>, arguments: &[Val], results: &mut [Val]| {
                    let errno = call(&mut caller, number, arguments);
                    results.iter_mut().for_each(|result| *result = Val::I32(errno));
                    if caller.data().status.is_some() { Err($exit) } else { Ok(()) }
                };
                linker.func_new(import.module(), import.name(), ty.clone(), function).expect("each is there once");
            }
            linker
        }

        fn call(caller: &mut $peer::Caller<'_, World>, number: usize, arguments: &[$peer::Val]) -> i32 {
            use $peer::{AsContextMut, Extern, Val};
            let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
                panic!("programs export their memory")
            };
            let mut words = [0; 9];
            for (word, argument) in words.iter_mut().zip(arguments) {
                *word = match argument {
                    Val::I32(value) => u64::from(*value as u32),
                    Val::I64(value) => *value as u64,
                    _ => panic!("functions of WASI take integers"),
                };
            }
            let (bytes, world) = memory.data_and_store_mut(caller.as_context_mut());
            world.call(number, &words, bytes)
        }
    };
}

pub(super) use world_for;
