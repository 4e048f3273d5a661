;; The sun and four planets for n steps of a hundredth of a day: floats in memory.
;;
;; A body: position, velocity, mass; 56 bytes. The five lie at 0, and as they are at first at 0x200. Neptune is the
;; last, at 224.
(module
  (memory 1)

  (data (i32.const 0x200)
    ;; the sun
    (f64 0.0 0.0 0.0)
    (f64 0.0 0.0 0.0)
    (f64 39.47841760435743)
    ;; Jupiter
    (f64 4.841431442464721 -1.1603200440274284 -0.10362204447112311)
    (f64 0.606326392995832 2.81198684491626 -0.02521836165988763)
    (f64 0.03769367487038949)
    ;; Saturn
    (f64 8.34336671824458 4.124798564124305 -0.4035234171143214)
    (f64 -1.0107743461771437 1.8256623712304119 0.008415761376584154)
    (f64 0.011286326131968767)
    ;; Uranus
    (f64 12.894369562139131 -15.111151401698631 -0.22330757889265573)
    (f64 1.0827910064415354 0.8687130181696082 -0.010832637401363636)
    (f64 0.0017237240570597112)
    ;; Neptune
    (f64 15.379697114850917 -25.919314609987964 0.17925877295037118)
    (f64 0.979090732243898 0.5946989986476762 -0.034755955504078104)
    (f64 0.0020336868699246304))

  ;; The sum of the coordinates of Neptune, bit by bit, depends on all that happened.
  (func (export "run") (param $n i32) (result i64)
    (memory.copy (i32.const 0) (i32.const 0x200) (i32.const 280))
    (loop $next
      (call $attract_all)
      (call $move_all)
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))
    (i64.reinterpret_f64
      (f64.add
        (f64.add (f64.load offset=224 (i32.const 0)) (f64.load offset=232 (i32.const 0)))
        (f64.load offset=240 (i32.const 0)))))

  ;; Changes the velocities of every pair of bodies by what their gravity does in a step.
  (func $attract_all
    (local $i i32) (local $j i32)
    (local $x f64) (local $y f64) (local $z f64) (local $vx f64) (local $vy f64) (local $vz f64) (local $m f64)
    (local $dx f64) (local $dy f64) (local $dz f64) (local $square f64) (local $pull f64) (local $other f64)
    (loop $next_body
      (local.set $x (f64.load (local.get $i)))
      (local.set $y (f64.load offset=8 (local.get $i)))
      (local.set $z (f64.load offset=16 (local.get $i)))
      (local.set $vx (f64.load offset=24 (local.get $i)))
      (local.set $vy (f64.load offset=32 (local.get $i)))
      (local.set $vz (f64.load offset=40 (local.get $i)))
      (local.set $m (f64.load offset=48 (local.get $i)))
      (local.set $j (i32.add (local.get $i) (i32.const 56)))
      (loop $next_pair
        (local.set $dx (f64.sub (local.get $x) (f64.load (local.get $j))))
        (local.set $dy (f64.sub (local.get $y) (f64.load offset=8 (local.get $j))))
        (local.set $dz (f64.sub (local.get $z) (f64.load offset=16 (local.get $j))))
        (local.set $square
          (f64.add
            (f64.add (f64.mul (local.get $dx) (local.get $dx)) (f64.mul (local.get $dy) (local.get $dy)))
            (f64.mul (local.get $dz) (local.get $dz))))
        (local.set $pull
          (f64.div (f64.const 0.01) (f64.mul (f64.sqrt (local.get $square)) (local.get $square))))
        (local.set $other (f64.mul (f64.load offset=48 (local.get $j)) (local.get $pull)))
        (local.set $vx (f64.sub (local.get $vx) (f64.mul (local.get $dx) (local.get $other))))
        (local.set $vy (f64.sub (local.get $vy) (f64.mul (local.get $dy) (local.get $other))))
        (local.set $vz (f64.sub (local.get $vz) (f64.mul (local.get $dz) (local.get $other))))
        (local.set $pull (f64.mul (local.get $m) (local.get $pull)))
        (f64.store offset=24 (local.get $j)
          (f64.add (f64.load offset=24 (local.get $j)) (f64.mul (local.get $dx) (local.get $pull))))
        (f64.store offset=32 (local.get $j)
          (f64.add (f64.load offset=32 (local.get $j)) (f64.mul (local.get $dy) (local.get $pull))))
        (f64.store offset=40 (local.get $j)
          (f64.add (f64.load offset=40 (local.get $j)) (f64.mul (local.get $dz) (local.get $pull))))
        (local.set $j (i32.add (local.get $j) (i32.const 56)))
        (br_if $next_pair (i32.le_u (local.get $j) (i32.const 224))))
      (f64.store offset=24 (local.get $i) (local.get $vx))
      (f64.store offset=32 (local.get $i) (local.get $vy))
      (f64.store offset=40 (local.get $i) (local.get $vz))
      (local.set $i (i32.add (local.get $i) (i32.const 56)))
      (br_if $next_body (i32.lt_u (local.get $i) (i32.const 224)))))

  ;; Moves every body as far as its velocity takes it in a step.
  (func $move_all
    (local $i i32)
    (loop $next
      (f64.store (local.get $i)
        (f64.add (f64.load (local.get $i)) (f64.mul (f64.load offset=24 (local.get $i)) (f64.const 0.01))))
      (f64.store offset=8 (local.get $i)
        (f64.add (f64.load offset=8 (local.get $i)) (f64.mul (f64.load offset=32 (local.get $i)) (f64.const 0.01))))
      (f64.store offset=16 (local.get $i)
        (f64.add (f64.load offset=16 (local.get $i)) (f64.mul (f64.load offset=40 (local.get $i)) (f64.const 0.01))))
      (local.set $i (i32.add (local.get $i) (i32.const 56)))
      (br_if $next (i32.le_u (local.get $i) (i32.const 224))))))
