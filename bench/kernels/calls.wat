;; A loop that calls a small function.
(module (func $f (param i64 i32) (result i64) local.get 0 local.get 1 i64.extend_i32_u i64.add) (func (export "run") (param $n i32) (result i64) (local $i i32) (local $r i64)
 loop $l
  local.get $r local.get $i call $f local.set $r
  local.get $i i32.const 1 i32.add local.tee $i local.get $n i32.lt_s br_if $l
 end local.get $r))
