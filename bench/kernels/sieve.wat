;; The sieve of Eratosthenes over bytes: how many primes there are below n, which is at most 4 MiB.
(module
  (memory 64)

  (func (export "run") (param $n i32) (result i64)
    (local $i i32) (local $multiple i32) (local $count i32)
    (memory.fill (i32.const 0) (i32.const 1) (local.get $n))
    (local.set $i (i32.const 2))
    (loop $next
      (block $composite
        (br_if $composite (i32.eqz (i32.load8_u (local.get $i))))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $multiple (i32.shl (local.get $i) (i32.const 1)))
        (br_if $composite (i32.le_s (local.get $n) (local.get $multiple)))
        (loop $mark
          (i32.store8 (local.get $multiple) (i32.const 0))
          (local.set $multiple (i32.add (local.get $multiple) (local.get $i)))
          (br_if $mark (i32.lt_s (local.get $multiple) (local.get $n)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_s (local.get $i) (local.get $n))))
    (i64.extend_i32_u (local.get $count))))
