;; Host functions of sluice:filter that need not leave Wasm: added to the core module of a filter (proxy/component/inlay.py),
;; they answer from what the host has written into a memory of theirs, and write down what the guest has read and written.
;; What is laid where is in proxy/sluice/glass.py. Built by filters/build.
;;
;; Each gives 0 (or -1) for a call that it does not answer: that is the host's then, as if nothing had happened.
(module
  (import "" "cabi_realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
  (import "" "memory" (memory $guest 0))
  (memory $own (export "memory") 1 1)

  (func $base (result i32) (i32.load $own (i32.const 0)))

  ;; Whether a stretch lies in the guest's memory.
  (func $within (param $at i32) (param $length i32) (result i32)
    (i64.le_u (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $length)))
              (i64.shl (i64.extend_i32_u (memory.size $guest)) (i64.const 16))))

  ;; Whether the guest's bytes and ours are the same.
  (func $same (param $at i32) (param $ours i32) (param $length i32) (result i32)
    (block $differ
      (loop $next
        (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br_if $differ (i32.ne (i32.load8_u $guest (i32.add (local.get $at) (local.get $length)))
                               (i32.load8_u $own (i32.add (local.get $ours) (local.get $length)))))
        (br $next)))
    (i32.const 0))

  ;; The first row of a table that has this function and argument, or -1. Rows: function, argument, its length, …
  (func $row (param $table i32) (param $rows i32) (param $width i32) (param $function i32) (param $at i32)
        (param $length i32) (result i32)
    (local $index i32)
    (if (i32.eqz (call $within (local.get $at) (local.get $length))) (then (return (i32.const -1))))
    (block $none
      (loop $next
        (br_if $none (i32.ge_u (local.get $index) (local.get $rows)))
        (if (i32.and (i32.eq (i32.load $own (local.get $table)) (local.get $function))
                     (i32.eq (i32.load $own offset=8 (local.get $table)) (local.get $length)))
          (then
            (if (call $same (local.get $at) (i32.load $own offset=4 (local.get $table)) (local.get $length))
              (then (return (local.get $index))))))
        (local.set $table (i32.add (local.get $table) (local.get $width)))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (br $next)))
    (i32.const -1))

  ;; Where the answer to a question is, its reading written down; or 0.
  (func $answer (param $function i32) (param $at i32) (param $length i32) (result i32)
    (local $base i32) (local $index i32) (local $answer i32) (local $log i32)
    (local.set $base (call $base))
    (if (i32.eqz (local.get $base)) (then (return (i32.const 0))))
    (local.set $index (call $row (i32.add (local.get $base) (i32.const 16)) (i32.load $own (local.get $base))
                                 (i32.const 12) (local.get $function) (local.get $at) (local.get $length)))
    (if (i32.lt_s (local.get $index) (i32.const 0)) (then (return (i32.const 0))))
    ;; What the guest has written since is no longer known here.
    (if (i64.ne (i64.const 0)
                (i64.and (i64.load $own (i32.const 24))
                         (i64.shl (i64.const 1) (i64.extend_i32_u (local.get $index)))))
      (then (return (i32.const 0))))
    (local.set $answer (i32.add (i32.add (local.get $base) (i32.const 9360))
                                (i32.mul (local.get $index) (i32.const 12))))
    (if (i32.eqz (i32.load $own (local.get $answer))) (then (return (i32.const 0))))
    (if (i32.eqz (i32.and (i32.load $own (local.get $answer)) (i32.const 4)))
      (then
        (if (i32.eqz (call $spend (i32.const 4))) (then (return (i32.const 0))))
        (local.set $log (i32.load $own (i32.const 4)))
        (i32.store $own (local.get $log) (local.get $index))
        (i32.store $own (i32.const 4) (i32.add (local.get $log) (i32.const 4)))))
    (local.get $answer))

  ;; Whether so many bytes are left to be written down.
  (func $spend (param $bytes i32) (result i32)
    (local $left i32)
    (local.set $left (i32.sub (i32.load $own (i32.const 8)) (local.get $bytes)))
    (if (i32.lt_s (local.get $left) (i32.const 0)) (then (return (i32.const 0))))
    (i32.store $own (i32.const 8) (local.get $left))
    (i32.const 1))

  ;; A getter of a string (size 8) or of an option of one (size 12).
  (func (export "ask") (param $function i32) (param $at i32) (param $length i32) (param $result i32) (param $size i32)
        (result i32)
    (local $answer i32) (local $bytes i32) (local $into i32)
    (if (i32.and (local.get $result) (i32.const 3)) (then (return (i32.const 0))))
    (if (i32.eqz (call $within (local.get $result) (local.get $size))) (then (return (i32.const 0))))
    (local.set $answer (call $answer (local.get $function) (local.get $at) (local.get $length)))
    (if (i32.eqz (local.get $answer)) (then (return (i32.const 0))))
    (if (i32.eq (i32.and (i32.load $own (local.get $answer)) (i32.const 3)) (i32.const 1))
      (then (i32.store8 $guest (local.get $result) (i32.const 0)) (return (i32.const 1))))
    (local.set $bytes (i32.load $own offset=8 (local.get $answer)))
    (local.set $into (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get $bytes)))
    (if (i32.eqz (call $within (local.get $into) (local.get $bytes)))
      (then
        (i64.store $own (i32.const 40) (i64.shl (i64.extend_i32_u (memory.size $guest)) (i64.const 16)))
        (i64.store $own (i32.const 16) (i64.add (i64.extend_i32_u (local.get $into))
                                                (i64.extend_i32_u (local.get $bytes))))
        (unreachable)))
    (memory.copy $guest $own (local.get $into) (i32.load $own offset=4 (local.get $answer)) (local.get $bytes))
    (if (i32.eq (local.get $size) (i32.const 12))
      (then
        (i32.store $guest (local.get $result) (i32.const 1))
        (local.set $result (i32.add (local.get $result) (i32.const 4)))))
    (i32.store $guest (local.get $result) (local.get $into))
    (i32.store $guest offset=4 (local.get $result) (local.get $bytes))
    (i32.const 1))

  ;; A getter of a number, or -1.
  (func (export "number") (param $function i32) (result i32)
    (local $answer i32)
    (local.set $answer (call $answer (local.get $function) (i32.const 0) (i32.const 0)))
    (if (i32.eqz (local.get $answer)) (then (return (i32.const -1))))
    (i32.load $own offset=4 (local.get $answer)))

  ;; A setter whose first argument is known: whether the value is one that it takes as it is.
  (func (export "put") (param $function i32) (param $at i32) (param $length i32) (param $value i32) (param $bytes i32)
        (result i32)
    (local $base i32) (local $index i32) (local $row i32) (local $log i32)
    (local.set $base (call $base))
    (if (i32.eqz (local.get $base)) (then (return (i32.const 0))))
    (if (i32.gt_u (local.get $bytes) (i32.const 4096)) (then (return (i32.const 0))))
    (if (i32.eqz (call $plain (local.get $value) (local.get $bytes))) (then (return (i32.const 0))))
    (local.set $index (call $row (i32.add (local.get $base) (i32.const 400)) (i32.load $own offset=4 (local.get $base))
                                 (i32.const 24) (local.get $function) (local.get $at) (local.get $length)))
    (if (i32.lt_s (local.get $index) (i32.const 0)) (then (return (i32.const 0))))
    (if (i32.eqz (call $spend (i32.add (i32.const 4) (i32.add (local.get $length) (local.get $bytes)))))
      (then (return (i32.const 0))))
    (local.set $log (i32.load $own (i32.const 4)))
    (i32.store $own (local.get $log)
               (i32.or (i32.const 0x80000000)
                       (i32.or (i32.shl (local.get $index) (i32.const 16)) (local.get $bytes))))
    (memory.copy $own $guest (i32.add (local.get $log) (i32.const 4)) (local.get $value) (local.get $bytes))
    (i32.store $own (i32.const 4) (i32.add (i32.add (local.get $log) (i32.const 4)) (local.get $bytes)))
    (local.set $row (i32.add (i32.add (local.get $base) (i32.const 400)) (i32.mul (local.get $index) (i32.const 24))))
    (i64.store $own (i32.const 24) (i64.or (i64.load $own (i32.const 24)) (i64.load $own offset=16 (local.get $row))))
    (i32.const 1))

  ;; Printable ASCII without a space at either end.
  (func $plain (param $at i32) (param $length i32) (result i32)
    (local $byte i32) (local $end i32) (local $here i32)
    (if (i32.eqz (call $within (local.get $at) (local.get $length))) (then (return (i32.const 0))))
    (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (if (i32.eq (i32.load8_u $guest (local.get $at)) (i32.const 0x20)) (then (return (i32.const 0))))
    (if (i32.eq (i32.load8_u $guest (i32.sub (local.get $end) (i32.const 1))) (i32.const 0x20))
      (then (return (i32.const 0))))
    (local.set $here (local.get $at))
    (loop $next
      (local.set $byte (i32.load8_u $guest (local.get $here)))
      (if (i32.gt_u (i32.sub (local.get $byte) (i32.const 0x20)) (i32.const 0x5e)) (then (return (i32.const 0))))
      (local.set $here (i32.add (local.get $here) (i32.const 1)))
      (br_if $next (i32.ne (local.get $here) (local.get $end))))
    (i32.const 1))

  ;; A line for the log: whether nobody wants it.
  (func (export "silent") (param $level i32) (param $at i32) (param $length i32) (result i32)
    (local $end i32)
    (if (i32.eqz (call $base)) (then (return (i32.const 0))))
    (if (i32.gt_u (local.get $level) (i32.const 3)) (then (return (i32.const 0))))
    (if (i32.eqz (i32.and (i32.load $own (i32.const 32)) (i32.shl (i32.const 1) (local.get $level))))
      (then (return (i32.const 0))))
    (if (i32.gt_u (local.get $length) (i32.const 4096)) (then (return (i32.const 0))))
    (if (i32.eqz (call $within (local.get $at) (local.get $length))) (then (return (i32.const 0))))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (loop $next
      (if (i32.eq (local.get $at) (local.get $end)) (then (return (i32.const 1))))
      (if (i32.gt_u (i32.load8_u $guest (local.get $at)) (i32.const 0x7f)) (then (return (i32.const 0))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next))
    (i32.const 1)))
