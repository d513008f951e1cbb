//! Owns file descriptors: serial, evdev, TCP and TLS, udev, clocks.

mod tls;
mod watch;
pub mod clock;
pub mod device_path;
pub mod evdev;
pub mod serial;
pub mod tcp;
