#pragma once
#include "core/provider.hpp"

#include <string>
#include <utility>
#include <vector>

namespace calbridge::testing {

/// The providers that it was made with, which are borrowed.
class FixedProviders final : public Providers {
 public:
  explicit FixedProviders(std::vector<Provider*> all) : all_(std::move(all)) {}
  Provider* find(const std::string& id) const override {
    for (auto* provider : all_)
      if (provider->info().id == id)
        return provider;
    return nullptr;
  }
  std::vector<Provider*> all() const override { return all_; }

 private:
  std::vector<Provider*> all_;
};

} // namespace calbridge::testing
