// Replacing a placeholder in a text that comes in chunks.

#pragma once

#include <string>
#include <string_view>
#include <utility>

class Replacer {
public:
  explicit Replacer(std::string replacement) : replacement(std::move(replacement)) {}

  std::string push(std::string_view chunk);
  std::string finish() { return std::exchange(held, {}); }

private:
  std::string replacement;
  // The end of what came so far when it may be the beginning of a placeholder.
  std::string held;
};
