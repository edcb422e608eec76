//! A model server as a process of this program, played by stand-ins with failures that a real server seldom has.

mod fakes;
