;; An interpreter inside the interpreter: a small register machine, whose program goes through a loop n times.
;;
;; An instruction of the guest is four bytes: operation, target register, and two source registers. A branch looks at
;; its target, and its last two bytes are the distance from the next instruction, in bytes. The operations are add,
;; subtract, multiply, xor, shift right, branch if not zero, and halt; the registers, from 0x100 on, count, state, sum,
;; mixed, and the constants factor, increment, shift and one.
(module
  (memory 1)

  (data (i32.const 0x000)
    (i8 2 1 1 4)
    (i8 0 1 1 5)
    (i8 4 3 1 6)
    (i8 3 2 2 3)
    (i8 0 2 2 1)
    (i8 1 0 0 7)
    (i8 5 0) (i16 -28)
    (i8 6 0 0 0))

  (data (i32.const 0x200) (i32 0 0 0 0 1664525 1013904223 7 1))

  (func (export "run") (param $n i32) (result i64)
    (memory.copy (i32.const 0x100) (i32.const 0x200) (i32.const 32))
    (i32.store (i32.const 0x100) (local.get $n))
    (call $interpret)
    (i64.load32_u (i32.const 0x108)))

  (func $interpret
    (local $pc i32) (local $word i32) (local $target i32) (local $a i32) (local $b i32)
    (loop $next
      (local.set $word (i32.load (local.get $pc)))
      (local.set $pc (i32.add (local.get $pc) (i32.const 4)))
      (local.set $target
        (i32.shl (i32.and (i32.shr_u (local.get $word) (i32.const 8)) (i32.const 255)) (i32.const 2)))
      (local.set $a
        (i32.load offset=0x100
          (i32.shl (i32.and (i32.shr_u (local.get $word) (i32.const 16)) (i32.const 255)) (i32.const 2))))
      (local.set $b
        (i32.load offset=0x100 (i32.shl (i32.shr_u (local.get $word) (i32.const 24)) (i32.const 2))))
      (block $halt
        (block $branch_not_zero
          (block $shift_right
            (block $xor
              (block $multiply
                (block $subtract
                  (block $add
                    (br_table $add $subtract $multiply $xor $shift_right $branch_not_zero $halt
                      (i32.and (local.get $word) (i32.const 255))))
                  (i32.store offset=0x100 (local.get $target) (i32.add (local.get $a) (local.get $b)))
                  (br $next))
                (i32.store offset=0x100 (local.get $target) (i32.sub (local.get $a) (local.get $b)))
                (br $next))
              (i32.store offset=0x100 (local.get $target) (i32.mul (local.get $a) (local.get $b)))
              (br $next))
            (i32.store offset=0x100 (local.get $target) (i32.xor (local.get $a) (local.get $b)))
            (br $next))
          (i32.store offset=0x100 (local.get $target) (i32.shr_u (local.get $a) (local.get $b)))
          (br $next))
        (br_if $next (i32.eqz (i32.load offset=0x100 (local.get $target))))
        (local.set $pc (i32.add (local.get $pc) (i32.shr_s (local.get $word) (i32.const 16))))
        (br $next)))))
