;; Heapsort of n pseudo-random numbers; n is at most 262,144.
(module
  (memory 17)

  (func (export "run") (param $n i32) (result i64)
    (call $fill (local.get $n))
    (call $sort (local.get $n))
    (call $checksum (local.get $n)))

  ;; Numbers of a linear congruential generator.
  (func $fill (param $n i32)
    (local $i i32) (local $value i32)
    (local.set $value (i32.const 12345))
    (loop $next
      (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 1664525)) (i32.const 1013904223)))
      (i32.store (i32.shl (local.get $i) (i32.const 2)) (local.get $value))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n)))))

  (func $sort (param $n i32)
    (local $root i32) (local $first i32) (local $end i32)
    (local.set $root (i32.shr_u (local.get $n) (i32.const 1)))
    (loop $heapify
      (local.set $root (i32.sub (local.get $root) (i32.const 1)))
      (call $sift_down (local.get $root) (local.get $n))
      (br_if $heapify (local.get $root)))
    (loop $take_greatest
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (local.set $end (i32.shl (local.get $n) (i32.const 2)))
      (local.set $first (i32.load (i32.const 0)))
      (i32.store (i32.const 0) (i32.load (local.get $end)))
      (i32.store (local.get $end) (local.get $first))
      (call $sift_down (local.get $root) (local.get $n))
      (br_if $take_greatest (i32.gt_u (local.get $n) (i32.const 1)))))

  ;; Moves the number at $root down to where none below it, before $n, is greater. Both are turned into addresses first,
  ;; so that no index is scaled in the loop: child 2i + 1 of index i lies at twice the address and 4.
  (func $sift_down (param $root i32) (param $n i32)
    (local $value i32) (local $child i32) (local $greatest i32) (local $other i32)
    (local.set $root (i32.shl (local.get $root) (i32.const 2)))
    (local.set $n (i32.shl (local.get $n) (i32.const 2)))
    (local.set $value (i32.load (local.get $root)))
    (block $done
      (loop $next
        (local.set $child (i32.add (i32.shl (local.get $root) (i32.const 1)) (i32.const 4)))
        (br_if $done (i32.ge_u (local.get $child) (local.get $n)))
        (local.set $greatest (i32.load (local.get $child)))
        (block $left
          (local.set $other (i32.load offset=4 (local.get $child)))
          (br_if $left (i32.le_s (local.get $other) (local.get $greatest)))
          (br_if $left (i32.le_u (local.get $n) (i32.add (local.get $child) (i32.const 4))))
          (local.set $child (i32.add (local.get $child) (i32.const 4)))
          (local.set $greatest (local.get $other)))
        (br_if $done (i32.le_s (local.get $greatest) (local.get $value)))
        (i32.store (local.get $root) (local.get $greatest))
        (local.set $root (local.get $child))
        (br $next)))
    (i32.store (local.get $root) (local.get $value)))

  ;; Depends on the place of every number.
  (func $checksum (param $n i32) (result i64)
    (local $i i32) (local $sum i64)
    (loop $next
      (local.set $sum
        (i64.add
          (i64.rotl (local.get $sum) (i64.const 1))
          (i64.load32_s (i32.shl (local.get $i) (i32.const 2)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $sum)))
