// src/base/testing/allocations.h
// How often a test's code asks for memory.
//
// A source called allocation_test.cpp or allocations_test.cpp gets, from the
// build, an operator new for its whole program that counts. Sanitizers bring
// one of their own, so under them such sources are left out.
#pragma once

#include <cstddef>

namespace hanse {

// Of the calling thread since it began.
std::size_t allocations_so_far();

// Of the calling thread while `work` runs.
template <typename Work>
std::size_t allocations_of(Work&& work) {
  const std::size_t before = allocations_so_far();
  work();
  return allocations_so_far() - before;
}

}  // namespace hanse
