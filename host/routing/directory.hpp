#pragma once
#include "core/person.hpp"

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace calbridge::routing {

/// The people of the installation, as routing needs to see them. Answers must stay the same during one call of route().
/// Pointers and spans are borrowed: they live until the directory changes.
class Directory {
 public:
  virtual ~Directory() = default;
  /// Null when nobody has that id.
  virtual const Person* person(std::string_view id) const = 0;
  /// Everybody with exactly this role, in the order of their ids.
  virtual std::span<const Person* const> withRole(std::string_view role) const = 0;
  /// Everybody in that team, in the order of their ids.
  virtual std::span<const Person* const> inTeam(std::string_view team) const = 0;
  /// All people in the order of their ids.
  virtual std::span<const Person> everyone() const = 0;
};

/// A directory as a value: built once from a list, immutable afterwards, so that any number of threads may read it
/// (swap a shared_ptr<const DirectorySnapshot> when somebody changes). Of two people with one id the last one counts.
class DirectorySnapshot final : public Directory {
 public:
  explicit DirectorySnapshot(std::vector<Person> people);
  DirectorySnapshot(const DirectorySnapshot&) = delete;
  DirectorySnapshot& operator=(const DirectorySnapshot&) = delete;

  const Person* person(std::string_view id) const override;
  std::span<const Person* const> withRole(std::string_view role) const override;
  std::span<const Person* const> inTeam(std::string_view team) const override;
  std::span<const Person> everyone() const override { return people_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  template <typename Value>
  using Index = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;

  std::vector<Person> people_; ///< sorted by id
  Index<const Person*> byId_;
  Index<std::vector<const Person*>> byRole_;
  Index<std::vector<const Person*>> byTeam_;
};

} // namespace calbridge::routing
