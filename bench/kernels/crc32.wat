;; CRC-32 of n bytes with a table, a byte at a time; the bytes are those of a buffer of 64 KiB, again and again.
(module
  (memory 4)

  (func (export "run") (param $n i32) (result i64)
    (local $sum i32) (local $piece i32)
    (call $make_table)
    (call $fill_buffer)
    (local.set $sum (i32.const -1))
    (loop $next
      (local.set $piece
        (select (local.get $n) (i32.const 0x10000) (i32.lt_u (local.get $n) (i32.const 0x10000))))
      (local.set $sum (call $add_bytes (local.get $sum) (i32.const 0x10000) (local.get $piece)))
      (local.set $n (i32.sub (local.get $n) (local.get $piece)))
      (br_if $next (local.get $n)))
    (i64.extend_i32_u (i32.xor (local.get $sum) (i32.const -1))))

  (func $add_bytes (param $sum i32) (param $at i32) (param $n i32) (result i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $at) (local.get $n)))
    (loop $next
      (local.set $sum
        (i32.xor
          (i32.load offset=0x20000
            (i32.shl
              (i32.and (i32.xor (i32.load8_u (local.get $at)) (local.get $sum)) (i32.const 255))
              (i32.const 2)))
          (i32.shr_u (local.get $sum) (i32.const 8))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (local.get $sum))

  (func $make_table
    (local $byte i32) (local $sum i32) (local $bits i32)
    (loop $next_byte
      (local.set $sum (local.get $byte))
      (local.set $bits (i32.const 8))
      (loop $next_bit
        (local.set $sum
          (i32.xor
            (i32.shr_u (local.get $sum) (i32.const 1))
            (i32.and
              (i32.sub (i32.const 0) (i32.and (local.get $sum) (i32.const 1)))
              (i32.const 0xedb88320))))
        (local.set $bits (i32.sub (local.get $bits) (i32.const 1)))
        (br_if $next_bit (local.get $bits)))
      (i32.store offset=0x20000 (i32.shl (local.get $byte) (i32.const 2)) (local.get $sum))
      (local.set $byte (i32.add (local.get $byte) (i32.const 1)))
      (br_if $next_byte (i32.lt_u (local.get $byte) (i32.const 256)))))

  (func $fill_buffer
    (local $at i32) (local $value i32)
    (local.set $at (i32.const 0x10000))
    (loop $next
      (i32.store (local.get $at) (local.get $value))
      (local.set $value (i32.add (local.get $value) (i32.const 0x9e3779b9)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 0x20000))))))
