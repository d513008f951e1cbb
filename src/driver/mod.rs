//! Owns file descriptors: serial, evdev, TCP and TLS, udev, clocks.

pub mod tcp;
mod tls;
