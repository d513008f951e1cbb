//! Owns file descriptors: serial, evdev, TCP and TLS, udev, clocks and timers.

pub mod clock;
pub mod device_path;
pub mod evdev;
pub mod serial;
pub mod tcp;
pub mod ticks;
mod tls;
mod watch;
