#pragma once
#include <string>

/// Tries everything that a plugin in a process of its own may not do, and a few things that it may: the names of those
/// that worked, in the order of trying, joined by blanks.
std::string whatIsPossible();
