//! The world `wasi:http/middleware` (0.3), and `wasi:cli/environment`: made by build.rs.

#![allow(clippy::all, clippy::pedantic)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
