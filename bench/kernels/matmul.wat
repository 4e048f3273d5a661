;; Product of two square matrices of f64.
(module (memory 64) (func (export "run") (param $n i32) (result i64) (local $i i32) (local $j i32) (local $k i32) (local $a i32) (local $b i32) (local $row i32) (local $stride i32) (local $s f64) (local $c i32)
 local.get $n i32.const 3 i32.shl local.set $stride
 local.get $n local.get $n i32.mul local.set $c
 loop $fill
  local.get $i i32.const 3 i32.shl local.get $i f64.convert_i32_s f64.store
  local.get $i i32.const 1 i32.add local.tee $i local.get $c i32.lt_s br_if $fill
 end
 i32.const 0 local.set $i
 loop $rows
  local.get $i local.get $stride i32.mul local.set $row
  i32.const 0 local.set $j
  loop $cols
   i32.const 0 local.set $k
   local.get $j i32.const 3 i32.shl local.set $b
   local.get $row local.set $a
   f64.const 0 local.set $s
   loop $dot
    local.get $s local.get $a f64.load local.get $b f64.load f64.mul f64.add local.set $s
    local.get $a i32.const 8 i32.add local.set $a
    local.get $b local.get $stride i32.add local.set $b
    local.get $k i32.const 1 i32.add local.tee $k local.get $n i32.lt_s br_if $dot
   end
   local.get $row local.get $b i32.add local.get $k i32.const 3 i32.shl i32.add local.get $s f64.store
   local.get $j i32.const 1 i32.add local.tee $j local.get $n i32.lt_s br_if $cols
  end
  local.get $i i32.const 1 i32.add local.tee $i local.get $n i32.lt_s br_if $rows
 end
 local.get $s i64.reinterpret_f64))
