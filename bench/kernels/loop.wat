;; A counting loop with a short chain of arithmetic: nothing but dispatch.
(module
  (func (export "run") (param $n i32) (result i64)
    (local $i i32) (local $sum i64)
    (loop $next
      (local.set $sum (i64.xor (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i))) (i64.const 85)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_s (local.get $i) (local.get $n))))
    (local.get $sum)))
