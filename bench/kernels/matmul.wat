;; The product of a square matrix of f64 with itself, n rows of n; n is at most 256.
(module
  (memory 16)

  (func (export "run") (param $n i32) (result i64)
    (local $i i32) (local $row i32) (local $stride i32) (local $end i32)
    (local.set $end (i32.mul (local.get $n) (local.get $n)))
    (loop $fill
      (f64.store (i32.shl (local.get $i) (i32.const 3)) (f64.convert_i32_s (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $fill (i32.lt_s (local.get $i) (local.get $end))))

    (local.set $stride (i32.shl (local.get $n) (i32.const 3)))
    (local.set $i (i32.const 0))
    (loop $next
      (call $multiply_row (local.get $row) (local.get $n) (local.get $stride))
      (local.set $row (i32.add (local.get $row) (local.get $stride)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_s (local.get $i) (local.get $n))))
    (i64.load offset=524288 (i32.sub (local.get $row) (local.get $stride))))

  ;; The row of the product that belongs to the one at $row.
  (func $multiply_row (param $row i32) (param $n i32) (param $stride i32)
    (local $i i32) (local $j i32) (local $a i32) (local $b i32) (local $sum f64)
    (loop $next
      (local.set $i (i32.const 0))
      (local.set $a (local.get $row))
      (local.set $b (i32.shl (local.get $j) (i32.const 3)))
      (local.set $sum (f64.const 0))
      (loop $dot
        (local.set $sum
          (f64.add (local.get $sum) (f64.mul (f64.load (local.get $a)) (f64.load (local.get $b)))))
        (local.set $a (i32.add (local.get $a) (i32.const 8)))
        (local.set $b (i32.add (local.get $b) (local.get $stride)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $dot (i32.lt_s (local.get $i) (local.get $n))))
      (f64.store offset=524288 (i32.add (i32.shl (local.get $j) (i32.const 3)) (local.get $row)) (local.get $sum))
      (local.set $j (i32.add (local.get $j) (i32.const 1)))
      (br_if $next (i32.lt_s (local.get $j) (local.get $n))))))
