#pragma once

namespace calbridge::plugins {

/// What is under way decides what is allowed. Each stage takes away from the one before.
enum class Stage {
  loading,          ///< a library may be read and mapped
  calls,            ///< files may be opened for reading; Landlock says which
  callsWithoutFiles ///< none may
};

/// Installs the filter for all threads of this process, on top of those there are. False, with errno, when the kernel
/// does not take it. PR_SET_NO_NEW_PRIVS is set before.
bool installFilter(Stage stage);

} // namespace calbridge::plugins
