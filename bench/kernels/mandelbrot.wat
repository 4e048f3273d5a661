;; Iterations of the Mandelbrot set's points on a grid of n by n, at most 100 each: floats in registers.
(module
  (func (export "run") (param $n i32) (result i64)
    (local $x i32) (local $y i32) (local $cr f64) (local $ci f64) (local $step f64) (local $sum i64)
    (local.set $step (f64.div (f64.const 3) (f64.convert_i32_s (local.get $n))))
    (loop $next_row
      (local.set $ci (f64.sub (f64.mul (f64.convert_i32_s (local.get $y)) (local.get $step)) (f64.const 1)))
      (local.set $x (i32.const 0))
      (loop $next
        (local.set $cr
          (f64.sub
            (f64.sub (f64.mul (f64.convert_i32_s (local.get $x)) (local.get $step)) (f64.const 1))
            (f64.const 1)))
        (local.set $sum
          (i64.add (local.get $sum) (i64.extend_i32_u (call $iterations (local.get $cr) (local.get $ci)))))
        (local.set $x (i32.add (local.get $x) (i32.const 1)))
        (br_if $next (i32.lt_s (local.get $x) (local.get $n))))
      (local.set $y (i32.add (local.get $y) (i32.const 1)))
      (br_if $next_row (i32.lt_s (local.get $y) (local.get $n))))
    (local.get $sum))

  (func $iterations (param $cr f64) (param $ci f64) (result i32)
    (local $zr f64) (local $zi f64) (local $rr f64) (local $ii f64) (local $t f64) (local $count i32)
    (block $escaped
      (loop $next
        (local.set $t (f64.mul (local.get $zr) (local.get $zi)))
        (local.set $zi (f64.add (f64.add (local.get $t) (local.get $t)) (local.get $ci)))
        (local.set $zr (f64.add (f64.sub (local.get $rr) (local.get $ii)) (local.get $cr)))
        (local.set $rr (f64.mul (local.get $zr) (local.get $zr)))
        (local.set $ii (f64.mul (local.get $zi) (local.get $zi)))
        (br_if $escaped (f64.gt (f64.add (local.get $rr) (local.get $ii)) (f64.const 4)))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (br_if $next (i32.lt_s (local.get $count) (i32.const 100)))))
    (local.get $count)))
