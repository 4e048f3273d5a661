;; SHA-256 of n blocks of 64 bytes, those of a buffer of 4 KiB again and again: integers, mostly in locals.
;;
;; The hash lies at 0, and as it is at first at 0x40; the round constants at 0x100, the schedule at 0x200, the buffer at
;; 0x1000.
(module
  (memory 1)

  (data (i32.const 0x40)
    (i32 0x6a09e667 0xbb67ae85 0x3c6ef372 0xa54ff53a 0x510e527f 0x9b05688c 0x1f83d9ab 0x5be0cd19))

  (data (i32.const 0x100)
    (i32 0x428a2f98 0x71374491 0xb5c0fbcf 0xe9b5dba5 0x3956c25b 0x59f111f1 0x923f82a4 0xab1c5ed5)
    (i32 0xd807aa98 0x12835b01 0x243185be 0x550c7dc3 0x72be5d74 0x80deb1fe 0x9bdc06a7 0xc19bf174)
    (i32 0xe49b69c1 0xefbe4786 0x0fc19dc6 0x240ca1cc 0x2de92c6f 0x4a7484aa 0x5cb0a9dc 0x76f988da)
    (i32 0x983e5152 0xa831c66d 0xb00327c8 0xbf597fc7 0xc6e00bf3 0xd5a79147 0x06ca6351 0x14292967)
    (i32 0x27b70a85 0x2e1b2138 0x4d2c6dfc 0x53380d13 0x650a7354 0x766a0abb 0x81c2c92e 0x92722c85)
    (i32 0xa2bfe8a1 0xa81a664b 0xc24b8b70 0xc76c51a3 0xd192e819 0xd6990624 0xf40e3585 0x106aa070)
    (i32 0x19a4c116 0x1e376c08 0x2748774c 0x34b0bcb5 0x391c0cb3 0x4ed8aa4a 0x5b9cca4f 0x682e6ff3)
    (i32 0x748f82ee 0x78a5636f 0x84c87814 0x8cc70208 0x90befffa 0xa4506ceb 0xbef9a3f7 0xc67178f2))

  (func (export "run") (param $n i32) (result i64)
    (local $i i32)
    (call $fill_buffer)
    (memory.copy (i32.const 0) (i32.const 0x40) (i32.const 32))
    (loop $next
      (call $expand (i32.add (i32.and (local.get $i) (i32.const 4095)) (i32.const 0x1000)))
      (call $compress)
      (local.set $i (i32.add (local.get $i) (i32.const 64)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))
    (i64.load (i32.const 0)))

  (func $fill_buffer
    (local $i i32) (local $value i32)
    (loop $next
      (i32.store offset=0x1000 (local.get $i) (local.get $value))
      (local.set $value (i32.add (local.get $value) (i32.const 0x9e3779b9)))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 4095)))))

  ;; Makes the 64 words of the schedule of a block: the block itself, and words that are each mixed of four before them.
  (func $expand (param $at i32)
    (local $i i32) (local $x i32) (local $y i32) (local $last i32) (local $before_last i32)
    (loop $next_word
      (local.set $x (i32.load (local.get $at)))
      (i32.store offset=0x200 (local.get $i)
        (i32.or
          (i32.rotl (i32.and (local.get $x) (i32.const 0xff00ff00)) (i32.const 8))
          (i32.rotl (i32.and (local.get $x) (i32.const 0x00ff00ff)) (i32.const 24))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $next_word (i32.lt_u (local.get $i) (i32.const 64))))

    (local.set $i (i32.const 0))
    (local.set $before_last (i32.load (i32.const 568)))
    (local.set $last (i32.load (i32.const 572)))
    (local.set $x (i32.load (i32.const 512)))
    (loop $next_two
      (local.set $y (i32.load offset=516 (local.get $i)))
      (local.set $x
        (i32.add (local.get $x)
          (i32.xor
            (i32.xor (i32.rotl (local.get $y) (i32.const 25)) (i32.rotl (local.get $y) (i32.const 14)))
            (i32.shr_u (local.get $y) (i32.const 3)))))
      (local.set $x
        (i32.add (local.get $x)
          (i32.xor
            (i32.xor
              (i32.rotl (local.get $before_last) (i32.const 15))
              (i32.rotl (local.get $before_last) (i32.const 13)))
            (i32.shr_u (local.get $before_last) (i32.const 10)))))
      (local.set $before_last (i32.add (local.get $x) (i32.load offset=548 (local.get $i))))
      (i32.store offset=576 (local.get $i) (local.get $before_last))
      (local.set $x (i32.load offset=520 (local.get $i)))
      (local.set $y
        (i32.add (local.get $y)
          (i32.xor
            (i32.xor (i32.rotl (local.get $x) (i32.const 25)) (i32.rotl (local.get $x) (i32.const 14)))
            (i32.shr_u (local.get $x) (i32.const 3)))))
      (local.set $y
        (i32.add (local.get $y)
          (i32.xor
            (i32.xor (i32.rotl (local.get $last) (i32.const 15)) (i32.rotl (local.get $last) (i32.const 13)))
            (i32.shr_u (local.get $last) (i32.const 10)))))
      (local.set $last (i32.add (local.get $y) (i32.load offset=552 (local.get $i))))
      (i32.store offset=580 (local.get $i) (local.get $last))

      (local.set $i (i32.add (local.get $i) (i32.const 8)))
      (br_if $next_two (i32.lt_u (local.get $i) (i32.const 192)))))

  ;; Takes the schedule into the hash: 64 rounds, eight at a time, so that the words need not move from local to local.
  (func $compress
    (local $i i32) (local $u i32) (local $v i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (local $e i32) (local $f i32) (local $g i32) (local $h i32)
    (local.set $a (i32.load (i32.const 0)))
    (local.set $b (i32.load offset=4 (i32.const 0)))
    (local.set $c (i32.load offset=8 (i32.const 0)))
    (local.set $d (i32.load offset=12 (i32.const 0)))
    (local.set $e (i32.load offset=16 (i32.const 0)))
    (local.set $f (i32.load offset=20 (i32.const 0)))
    (local.set $g (i32.load offset=24 (i32.const 0)))
    (local.set $h (i32.load offset=28 (i32.const 0)))
    (local.set $v (i32.xor (local.get $b) (local.get $c)))
    (loop $eight_rounds
      ;; 0
      (local.set $h (i32.add (local.get $h) (i32.load offset=256 (local.get $i))))
      (local.set $h (i32.add (local.get $h) (i32.load offset=512 (local.get $i))))
      (local.set $h
        (i32.add (local.get $h)
          (i32.xor
            (i32.xor (i32.rotl (local.get $e) (i32.const 26)) (i32.rotl (local.get $e) (i32.const 21)))
            (i32.rotl (local.get $e) (i32.const 7)))))
      (local.set $h
        (i32.add (local.get $h)
          (i32.xor (i32.and (i32.xor (local.get $f) (local.get $g)) (local.get $e)) (local.get $g))))
      (local.set $d (i32.add (local.get $d) (local.get $h)))
      (local.set $h
        (i32.add (local.get $h)
          (i32.xor
            (i32.xor (i32.rotl (local.get $a) (i32.const 30)) (i32.rotl (local.get $a) (i32.const 19)))
            (i32.rotl (local.get $a) (i32.const 10)))))
      (local.set $u (i32.xor (local.get $a) (local.get $b)))
      (local.set $v (i32.xor (i32.and (local.get $v) (local.get $u)) (local.get $b)))
      (local.set $h (i32.add (local.get $h) (local.get $v)))
      ;; 1
      (local.set $g (i32.add (local.get $g) (i32.load offset=260 (local.get $i))))
      (local.set $g (i32.add (local.get $g) (i32.load offset=516 (local.get $i))))
      (local.set $g
        (i32.add (local.get $g)
          (i32.xor
            (i32.xor (i32.rotl (local.get $d) (i32.const 26)) (i32.rotl (local.get $d) (i32.const 21)))
            (i32.rotl (local.get $d) (i32.const 7)))))
      (local.set $g
        (i32.add (local.get $g)
          (i32.xor (i32.and (i32.xor (local.get $e) (local.get $f)) (local.get $d)) (local.get $f))))
      (local.set $c (i32.add (local.get $c) (local.get $g)))
      (local.set $g
        (i32.add (local.get $g)
          (i32.xor
            (i32.xor (i32.rotl (local.get $h) (i32.const 30)) (i32.rotl (local.get $h) (i32.const 19)))
            (i32.rotl (local.get $h) (i32.const 10)))))
      (local.set $v (i32.xor (local.get $h) (local.get $a)))
      (local.set $u (i32.xor (i32.and (local.get $u) (local.get $v)) (local.get $a)))
      (local.set $g (i32.add (local.get $g) (local.get $u)))
      ;; 2
      (local.set $f (i32.add (local.get $f) (i32.load offset=264 (local.get $i))))
      (local.set $f (i32.add (local.get $f) (i32.load offset=520 (local.get $i))))
      (local.set $f
        (i32.add (local.get $f)
          (i32.xor
            (i32.xor (i32.rotl (local.get $c) (i32.const 26)) (i32.rotl (local.get $c) (i32.const 21)))
            (i32.rotl (local.get $c) (i32.const 7)))))
      (local.set $f
        (i32.add (local.get $f)
          (i32.xor (i32.and (i32.xor (local.get $d) (local.get $e)) (local.get $c)) (local.get $e))))
      (local.set $b (i32.add (local.get $b) (local.get $f)))
      (local.set $f
        (i32.add (local.get $f)
          (i32.xor
            (i32.xor (i32.rotl (local.get $g) (i32.const 30)) (i32.rotl (local.get $g) (i32.const 19)))
            (i32.rotl (local.get $g) (i32.const 10)))))
      (local.set $u (i32.xor (local.get $g) (local.get $h)))
      (local.set $v (i32.xor (i32.and (local.get $v) (local.get $u)) (local.get $h)))
      (local.set $f (i32.add (local.get $f) (local.get $v)))
      ;; 3
      (local.set $e (i32.add (local.get $e) (i32.load offset=268 (local.get $i))))
      (local.set $e (i32.add (local.get $e) (i32.load offset=524 (local.get $i))))
      (local.set $e
        (i32.add (local.get $e)
          (i32.xor
            (i32.xor (i32.rotl (local.get $b) (i32.const 26)) (i32.rotl (local.get $b) (i32.const 21)))
            (i32.rotl (local.get $b) (i32.const 7)))))
      (local.set $e
        (i32.add (local.get $e)
          (i32.xor (i32.and (i32.xor (local.get $c) (local.get $d)) (local.get $b)) (local.get $d))))
      (local.set $a (i32.add (local.get $a) (local.get $e)))
      (local.set $e
        (i32.add (local.get $e)
          (i32.xor
            (i32.xor (i32.rotl (local.get $f) (i32.const 30)) (i32.rotl (local.get $f) (i32.const 19)))
            (i32.rotl (local.get $f) (i32.const 10)))))
      (local.set $v (i32.xor (local.get $f) (local.get $g)))
      (local.set $u (i32.xor (i32.and (local.get $u) (local.get $v)) (local.get $g)))
      (local.set $e (i32.add (local.get $e) (local.get $u)))
      ;; 4
      (local.set $d (i32.add (local.get $d) (i32.load offset=272 (local.get $i))))
      (local.set $d (i32.add (local.get $d) (i32.load offset=528 (local.get $i))))
      (local.set $d
        (i32.add (local.get $d)
          (i32.xor
            (i32.xor (i32.rotl (local.get $a) (i32.const 26)) (i32.rotl (local.get $a) (i32.const 21)))
            (i32.rotl (local.get $a) (i32.const 7)))))
      (local.set $d
        (i32.add (local.get $d)
          (i32.xor (i32.and (i32.xor (local.get $b) (local.get $c)) (local.get $a)) (local.get $c))))
      (local.set $h (i32.add (local.get $h) (local.get $d)))
      (local.set $d
        (i32.add (local.get $d)
          (i32.xor
            (i32.xor (i32.rotl (local.get $e) (i32.const 30)) (i32.rotl (local.get $e) (i32.const 19)))
            (i32.rotl (local.get $e) (i32.const 10)))))
      (local.set $u (i32.xor (local.get $e) (local.get $f)))
      (local.set $v (i32.xor (i32.and (local.get $v) (local.get $u)) (local.get $f)))
      (local.set $d (i32.add (local.get $d) (local.get $v)))
      ;; 5
      (local.set $c (i32.add (local.get $c) (i32.load offset=276 (local.get $i))))
      (local.set $c (i32.add (local.get $c) (i32.load offset=532 (local.get $i))))
      (local.set $c
        (i32.add (local.get $c)
          (i32.xor
            (i32.xor (i32.rotl (local.get $h) (i32.const 26)) (i32.rotl (local.get $h) (i32.const 21)))
            (i32.rotl (local.get $h) (i32.const 7)))))
      (local.set $c
        (i32.add (local.get $c)
          (i32.xor (i32.and (i32.xor (local.get $a) (local.get $b)) (local.get $h)) (local.get $b))))
      (local.set $g (i32.add (local.get $g) (local.get $c)))
      (local.set $c
        (i32.add (local.get $c)
          (i32.xor
            (i32.xor (i32.rotl (local.get $d) (i32.const 30)) (i32.rotl (local.get $d) (i32.const 19)))
            (i32.rotl (local.get $d) (i32.const 10)))))
      (local.set $v (i32.xor (local.get $d) (local.get $e)))
      (local.set $u (i32.xor (i32.and (local.get $u) (local.get $v)) (local.get $e)))
      (local.set $c (i32.add (local.get $c) (local.get $u)))
      ;; 6
      (local.set $b (i32.add (local.get $b) (i32.load offset=280 (local.get $i))))
      (local.set $b (i32.add (local.get $b) (i32.load offset=536 (local.get $i))))
      (local.set $b
        (i32.add (local.get $b)
          (i32.xor
            (i32.xor (i32.rotl (local.get $g) (i32.const 26)) (i32.rotl (local.get $g) (i32.const 21)))
            (i32.rotl (local.get $g) (i32.const 7)))))
      (local.set $b
        (i32.add (local.get $b)
          (i32.xor (i32.and (i32.xor (local.get $h) (local.get $a)) (local.get $g)) (local.get $a))))
      (local.set $f (i32.add (local.get $f) (local.get $b)))
      (local.set $b
        (i32.add (local.get $b)
          (i32.xor
            (i32.xor (i32.rotl (local.get $c) (i32.const 30)) (i32.rotl (local.get $c) (i32.const 19)))
            (i32.rotl (local.get $c) (i32.const 10)))))
      (local.set $u (i32.xor (local.get $c) (local.get $d)))
      (local.set $v (i32.xor (i32.and (local.get $v) (local.get $u)) (local.get $d)))
      (local.set $b (i32.add (local.get $b) (local.get $v)))
      ;; 7
      (local.set $a (i32.add (local.get $a) (i32.load offset=284 (local.get $i))))
      (local.set $a (i32.add (local.get $a) (i32.load offset=540 (local.get $i))))
      (local.set $a
        (i32.add (local.get $a)
          (i32.xor
            (i32.xor (i32.rotl (local.get $f) (i32.const 26)) (i32.rotl (local.get $f) (i32.const 21)))
            (i32.rotl (local.get $f) (i32.const 7)))))
      (local.set $a
        (i32.add (local.get $a)
          (i32.xor (i32.and (i32.xor (local.get $g) (local.get $h)) (local.get $f)) (local.get $h))))
      (local.set $e (i32.add (local.get $e) (local.get $a)))
      (local.set $a
        (i32.add (local.get $a)
          (i32.xor
            (i32.xor (i32.rotl (local.get $b) (i32.const 30)) (i32.rotl (local.get $b) (i32.const 19)))
            (i32.rotl (local.get $b) (i32.const 10)))))
      (local.set $v (i32.xor (local.get $b) (local.get $c)))
      (local.set $u (i32.xor (i32.and (local.get $u) (local.get $v)) (local.get $c)))
      (local.set $a (i32.add (local.get $a) (local.get $u)))

      (local.set $i (i32.add (local.get $i) (i32.const 32)))
      (br_if $eight_rounds (i32.lt_u (local.get $i) (i32.const 256))))
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get $a)))
    (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (local.get $b)))
    (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (local.get $c)))
    (i32.store (i32.const 12) (i32.add (i32.load (i32.const 12)) (local.get $d)))
    (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (local.get $e)))
    (i32.store (i32.const 20) (i32.add (i32.load (i32.const 20)) (local.get $f)))
    (i32.store (i32.const 24) (i32.add (i32.load (i32.const 24)) (local.get $g)))
    (i32.store (i32.const 28) (i32.add (i32.load (i32.const 28)) (local.get $h)))))
