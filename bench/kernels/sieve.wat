;; The sieve of Eratosthenes over bytes.
(module (memory 64) (func (export "run") (param $n i32) (result i64) (local $i i32) (local $j i32) (local $c i32)
 i32.const 0 i32.const 1 local.get $n memory.fill
 i32.const 2 local.set $i
 block $done loop $outer
  local.get $i local.get $n i32.ge_s br_if $done
  block $next
   local.get $i i32.load8_u i32.eqz br_if $next
   local.get $c i32.const 1 i32.add local.set $c
   local.get $i local.get $i i32.add local.tee $j local.get $n i32.ge_s br_if $next
   loop $inner
    local.get $j i32.const 0 i32.store8
    local.get $j local.get $i i32.add local.tee $j local.get $n i32.lt_s br_if $inner
   end
  end
  local.get $i i32.const 1 i32.add local.set $i
  br $outer
 end end
 local.get $c i64.extend_i32_u))
