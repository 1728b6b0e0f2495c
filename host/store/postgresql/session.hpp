#pragma once
#include "store/postgresql/array.hpp"
#include "store/postgresql/failure.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace calbridge::store::postgresql {

/// Bytes for a bytea column; borrowed until the statement has run.
struct Blob {
  std::string_view bytes;
};

/// The columns of one result row, read from left to right. Results come in binary form.
class Row {
 public:
  Row(const PGresult* result, int row) : result_(result), row_(row) {}
  std::int64_t integer();
  int small() { return static_cast<int>(integer()); }
  bool flag() { return integer() != 0; }
  std::optional<std::int64_t> maybeInteger();
  /// Text or bytea, zero bytes included. Valid as long as the result.
  std::string_view view();
  std::string text() { return std::string(view()); }

 private:
  const PGresult* result_;
  int row_;
  int column_ = 0;
};

/// One connection to the server with its prepared statements; used by one thread at a time.
///
/// libpq itself, and not Poco::Data's connector over it: measured and read in version 1.11, that one keeps the memory
/// of every connection that broke (37 kB each: disconnect() does nothing unless the connection stands), hands dead
/// sessions out of its pool, reports the commit of an aborted transaction as a success, has no SQLSTATE to tell a
/// deadlock from a refusal, puts statements with their values into exceptions, splits connection strings at blanks (a
/// password may contain one), and sends a batch row by row.
class Session {
 public:
  /// Connects; throws Failure (lost) with the server's reason, never with the password.
  explicit Session(const std::string& url);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Runs the operation of that name from sql/postgresql/operations.sql, prepared at its first use. Returns the number
  /// of rows changed. Throws Failure.
  template <typename... Values>
  std::int64_t run(std::string_view operation, const Values&... values) {
    const Parameters parameters(values...);
    return changed(*execute(operation, parameters));
  }
  /// Calls `visit(Row&)` for every row; the statement has ended by then.
  template <typename Visit, typename... Values>
  void each(std::string_view operation, Visit&& visit, const Values&... values) {
    const Parameters parameters(values...);
    const auto result = execute(operation, parameters);
    const int rows = count(*result);
    for (int i = 0; i < rows; ++i) {
      Row row(result.get(), i);
      visit(row);
    }
  }
  /// Calls `visit(Row&)` for the first row and tells whether there was one.
  template <typename Visit, typename... Values>
  bool one(std::string_view operation, Visit&& visit, const Values&... values) {
    const Parameters parameters(values...);
    const auto result = execute(operation, parameters);
    if (count(*result) == 0)
      return false;
    Row row(result.get(), 0);
    visit(row);
    return true;
  }
  /// Any number of statements without parameters. Throws Failure.
  void script(const std::string& sql);
  /// The first value of the first row as text, empty when there is none. Throws Failure.
  std::string value(const std::string& sql);

  /// The three steps of a COPY … FROM STDIN (see CopyIn). Throw Failure.
  void beginCopy(const std::string& statement);
  void copyData(std::string_view data);
  void endCopy();

  /// Begins a transaction that will be on disk when its commit has returned (durable) or that a crash of the server may
  /// undo (relaxed).
  void begin(bool durable);
  /// Throws Failure, also when the server rolled the transaction back instead, which it does with an aborted one and
  /// still calls success. After a lost connection nobody knows whether it is committed.
  void commit();
  void rollback();

 private:
  struct Clear {
    void operator()(PGresult* result) const;
  };
  using Result = std::unique_ptr<PGresult, Clear>;

  /// The values of one execution, as libpq wants them: texts and bytes are borrowed, the rest is kept here.
  class Parameters {
   public:
    template <typename... Values>
    explicit Parameters(const Values&... values) {
      owned_.reserve(sizeof...(values)); // pointers into it must stay
      (add(values), ...);
    }
    int size() const { return static_cast<int>(values_.size()); }
    const char* const* values() const { return values_.data(); }
    const int* lengths() const { return lengths_.data(); }
    const int* formats() const { return formats_.data(); }

   private:
    static constexpr int kTextForm = 0, kBinaryForm = 1;
    void push(const char* data, std::size_t size, int form) {
      values_.push_back(data);
      lengths_.push_back(static_cast<int>(size));
      formats_.push_back(form);
    }
    void keep(std::string bytes, int form) {
      const std::string& kept = owned_.emplace_back(std::move(bytes));
      push(kept.c_str(), kept.size(), form);
    }
    void add(std::string_view value) {
      if (isStorable(value))
        push(value.data() == nullptr ? "" : value.data(), value.size(), kBinaryForm);
      else
        keep(storable(value), kBinaryForm);
    }
    void add(const std::string& value) { add(std::string_view(value)); }
    void add(const char* value) { add(std::string_view(value)); }
    void add(const Blob& value) {
      push(value.bytes.data() == nullptr ? "" : value.bytes.data(), value.bytes.size(), kBinaryForm);
    }
    void add(std::int64_t value) { keep(std::to_string(value), kTextForm); }
    void add(std::size_t value) { add(static_cast<std::int64_t>(value)); }
    void add(int value) { add(std::int64_t{value}); }
    void add(bool value) { push(value ? "t" : "f", 1, kTextForm); }
    void add(const Array& value) { keep(value.bytes(), kBinaryForm); }
    template <typename T>
    void add(const std::optional<T>& value) {
      if (value)
        add(*value);
      else
        push(nullptr, 0, kTextForm);
    }

    std::vector<std::string> owned_;
    std::vector<const char*> values_;
    std::vector<int> lengths_;
    std::vector<int> formats_;
  };

  Result execute(std::string_view operation, const Parameters& parameters);
  Result query(const std::string& sql);
  static int count(const PGresult& result);
  static std::int64_t changed(PGresult& result);

  struct Finish {
    void operator()(PGconn* connection) const;
  };
  std::unique_ptr<PGconn, Finish> connection_;
  std::unordered_set<std::string_view> prepared_; ///< names live in operations()
};

} // namespace calbridge::store::postgresql
