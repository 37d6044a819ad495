//! Traffic first, recording second: what the operating system is told about the threads that record.

/// How much less the calling thread gets of a CPU that traffic wants too; where nobody wants it, it has all of it.
const NICE: i32 = 5;

/// Lets the calling thread stand back behind those that relay.
///
/// On Linux a thread has a priority of its own. Elsewhere only the whole process has one, and everything stays as it is.
pub(super) fn stand_back() {
    #[cfg(target_os = "linux")]
    {
        let thread = rustix::thread::gettid();
        // Refused only where the machine's owner wants it so; recording works all the same.
        rustix::process::setpriority_process(Some(thread), NICE).ok();
    }
}
