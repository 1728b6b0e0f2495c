#pragma once

namespace calbridge::app {

/// Keeps glibc's allocator from giving every few threads an arena of their own: a host has many threads that mostly
/// wait, and what one of them freed should serve the next. Call before the first thread is made.
void shareMemoryAmongThreads();

/// No core file of this process is written, and no other process of its user may look into it: its memory holds opened
/// tokens and the master key.
void keepMemoryPrivate();

/// Gives memory that was freed back to the system: after the start, which reads and checks far more than it keeps, and
/// after bursts of work. Takes about a millisecond. Any thread.
void giveMemoryBack();

} // namespace calbridge::app
