;; Copies of 16, 256, 4,096 and 65,536 bytes, as many bytes of each size, and 4,095 bytes one at a time; n times.
(module
  (memory 4)

  (func (export "run") (param $n i32) (result i64)
    (call $fill)
    (loop $next
      (call $copy_pieces (i32.const 16))
      (call $copy_pieces (i32.const 256))
      (call $copy_pieces (i32.const 4096))
      (call $copy_pieces (i32.const 65536))
      (call $copy_bytes)
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))
    (call $checksum))

  ;; Moves 65,536 bytes one further in pieces, the last first, as one must where they overlap.
  (func $copy_pieces (param $piece i32)
    (local $at i32)
    (local.set $at (i32.const 65536))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (local.get $piece)))
      (memory.copy (i32.add (local.get $at) (i32.const 1)) (local.get $at) (local.get $piece))
      (br_if $next (local.get $at))))

  (func $copy_bytes
    (local $at i32)
    (loop $next
      (i32.store8 offset=65536 (local.get $at) (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 4095)))))

  (func $fill
    (local $at i32) (local $value i32)
    (loop $next
      (i32.store (local.get $at) (local.get $value))
      (local.set $value (i32.add (local.get $value) (i32.const 0x9e3779b9)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 131072)))))

  (func $checksum (result i64)
    (local $at i32) (local $sum i64)
    (loop $next
      (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 1)) (i64.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 131072))))
    (local.get $sum)))
