//! The engine on a bench: virtual time, a disk of its own, scripted devices and host. Each test is a sentence.

mod bench;
mod capability;
mod deadlines;
mod devices;
mod diagnosed;
mod disk;
mod forward;
mod graph;
mod habits;
mod link;
mod objects;
mod offline;
mod operators;
mod random;
mod restart;
mod reversal;
mod safe_mode;
mod sale;
mod scan;
mod sign_in;
mod tamper;
mod unblocked;
mod world;
