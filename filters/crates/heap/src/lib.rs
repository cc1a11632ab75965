//! A global allocator that begins with the memory an instance has anyway: `use heap as _;`
//!
//! The allocator of the standard library asks for another page first of all. That costs the host two system calls for
//! each instance, which is noticed when every exchange has a new one.

#[cfg(target_family = "wasm")]
mod wasm {
    use std::alloc::Layout;
    use std::arch::wasm32::{memory_grow, memory_size};
    use std::ptr::NonNull;

    use talc::base::{Talc, binning::Binning};
    use talc::cell::TalcSyncCell;
    use talc::source::Source;
    use talc::wasm::WasmBinning;

    const PAGE: usize = 64 * 1024;
    /// What talc needs around an allocation, generously.
    const AROUND: usize = 64;

    #[global_allocator]
    static HEAP: TalcSyncCell<Memory, WasmBinning> = TalcSyncCell::new_wasm(Memory { end: None });

    unsafe extern "C" {
        /// Where the linker's data ends.
        static __heap_base: u8;
    }

    /// `end`: of what the allocator has been given so far.
    #[derive(Debug)]
    struct Memory {
        end: Option<NonNull<u8>>,
    }

    // SAFETY: allocates nothing itself, and nobody else uses the memory from __heap_base on.
    unsafe impl Source for Memory {
        fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
            let Some(end) = talc.source.end else {
                let base = (&raw const __heap_base).cast_mut();
                let size = memory_size::<0>() * PAGE - base.addr();
                let end = unsafe { talc.claim(base, size) };
                talc.source.end = end;
                return end.map(|_| ()).ok_or(());
            };
            let pages = (layout.size() + layout.align() + AROUND).div_ceil(PAGE);
            match memory_grow::<0>(pages) {
                usize::MAX => Err(()),
                before => {
                    let new_end = ((before + pages) * PAGE) as *mut u8;
                    talc.source.end = Some(unsafe { talc.extend(end, new_end) });
                    Ok(())
                }
            }
        }
    }
}
