;; A loop of calls through a table of four functions.
(module
  (type $step (func (param i64) (result i64)))
  (table funcref (elem $increment $triple $halve $scramble))

  (func (export "run") (param $n i32) (result i64)
    (local $i i32) (local $value i64)
    (loop $next
      (local.set $value
        (call_indirect (type $step) (local.get $value) (i32.and (local.get $i) (i32.const 3))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_s (local.get $i) (local.get $n))))
    (local.get $value))

  (func $increment (param $value i64) (result i64)
    (i64.add (local.get $value) (i64.const 1)))

  (func $triple (param $value i64) (result i64)
    (i64.mul (local.get $value) (i64.const 3)))

  (func $halve (param $value i64) (result i64)
    (i64.shr_u (local.get $value) (i64.const 1)))

  (func $scramble (param $value i64) (result i64)
    (i64.rotl (local.get $value) (i64.const 13))))
