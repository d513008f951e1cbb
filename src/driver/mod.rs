//! Owns file descriptors: serial, evdev, TCP and TLS, udev, clocks.

pub mod clock;
pub mod device_path;
pub mod evdev;
pub mod serial;
pub mod tcp;
mod tls;
mod watch;
