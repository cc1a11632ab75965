;; WASI preview 1 for Go in a world that has no WASI: answered inside of the component, so that the filter imports
;; nothing but sluice:filter and its runs stay functions of what they read.
;;
;; There are no arguments, no environment, no files. Lines written to standard output and error are logged. Time goes
;; on by a microsecond with each look at it, and waiting for a time makes it that time. Random numbers are always the
;; same ones.
(module
  (import "env" "memory" (memory 0))
  (import "sluice:filter/log@0.1.0" "log" (func $log (param $level i32) (param $message i32) (param $length i32)))

  (global $now (mut i64) (i64.const 0))
  (global $seed (mut i64) (i64.const 0x9e3779b97f4a7c15))
  ;; A line that is being written. Go's linker leaves 8 KiB from 4096 on for arguments, which preview 1 gives otherwise.
  (global $line i32 (i32.const 4096))
  (global $room i32 (i32.const 8192))
  (global $length (mut i32) (i32.const 0))

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $time i32) (result i32)
    (global.set $now (i64.add (global.get $now) (i64.const 1000)))
    (i64.store (local.get $time) (global.get $now))
    (i32.const 0))

  ;; The runtime of the bindings stops the clock while it allocates.
  (func (export "adapter_monotonic_clock_set_paused") (param i32))

  (func (export "random_get") (param $at i32) (param $count i32) (result i32)
    (loop $next
      (if (local.get $count)
        (then
          ;; xorshift64
          (global.set $seed (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 13))))
          (global.set $seed (i64.xor (global.get $seed) (i64.shr_u (global.get $seed) (i64.const 7))))
          (global.set $seed (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 17))))
          (i64.store8 (local.get $at) (i64.shr_u (global.get $seed) (i64.const 32)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $next))))
    (i32.const 0))

  (func (export "fd_write") (param $file i32) (param $parts i32) (param $count i32) (param $written i32) (result i32)
    (local $at i32)
    (local $end i32)
    (i32.store (local.get $written) (i32.const 0))
    (loop $next
      (if (local.get $count)
        (then
          (local.set $at (i32.load (local.get $parts)))
          (local.set $end (i32.add (local.get $at) (i32.load offset=4 (local.get $parts))))
          (i32.store (local.get $written)
            (i32.add (i32.load (local.get $written)) (i32.load offset=4 (local.get $parts))))
          (call $write (local.get $file) (local.get $at) (local.get $end))
          (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $next))))
    (i32.const 0))

  (func $write (param $file i32) (param $at i32) (param $end i32)
    (local $byte i32)
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (local.set $byte (i32.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (if (i32.ne (local.get $byte) (i32.const 10))
            (then
              (i32.store8 (i32.add (global.get $line) (global.get $length)) (local.get $byte))
              (global.set $length (i32.add (global.get $length) (i32.const 1)))))
          (if (i32.or
                (i32.eq (local.get $byte) (i32.const 10))
                (i32.eq (global.get $length) (global.get $room)))
            (then (call $flush (local.get $file))))
          (br $next)))))

  ;; Standard error is logged as errors, standard output as information.
  (func $flush (param $file i32)
    (local $length i32)
    (local.set $length (global.get $length))
    (if (local.get $length)
      (then
        (global.set $length (i32.const 0))
        (call $log
          (select (i32.const 3) (i32.const 1) (i32.eq (local.get $file) (i32.const 2)))
          (global.get $line)
          (local.get $length)))))

  (func (export "proc_exit") (param i32)
    (call $flush (i32.const 2))
    (unreachable))

  ;; One subscription is answered, as if its time had come: the first.
  (func (export "poll_oneoff") (param $wanted i32) (param $event i32) (param $count i32) (param $number i32) (result i32)
    (i64.store (local.get $event) (i64.load (local.get $wanted)))
    (i64.store offset=8 (local.get $event) (i64.const 0))
    (i64.store offset=16 (local.get $event) (i64.const 0))
    (i64.store offset=24 (local.get $event) (i64.const 0))
    (i32.store8 offset=10 (local.get $event) (i32.load8_u offset=8 (local.get $wanted)))
    (if (i32.eqz (i32.load8_u offset=8 (local.get $wanted)))
      (then
        (global.set $now
          (i64.add
            (i64.load offset=24 (local.get $wanted))
            (select
              (i64.const 0)
              (global.get $now)
              (i32.and (i32.load16_u offset=40 (local.get $wanted)) (i32.const 1)))))))
    (i32.store (local.get $number) (i32.const 1))
    (i32.const 0))

  (func $nothing (param $count i32) (param $size i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $size) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $nothing))
  (export "environ_sizes_get" (func $nothing))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; No such file: the error EBADF.
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "fd_datasync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_read") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_sync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_tell") (param i32 i32) (result i32) (i32.const 8))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 8)))
