#include "placeholder.hpp"

#include <algorithm>

namespace {

constexpr std::string_view placeholder = "{{language}}";

// How many bytes at the end of the text are the beginning of a placeholder.
size_t begun(std::string_view text) {
  auto length = std::min(text.size(), placeholder.size() - 1);
  while (!text.ends_with(placeholder.substr(0, length))) length--;
  return length;
}

} // namespace

std::string Replacer::push(std::string_view chunk) {
  auto text = std::move(held).append(chunk);
  std::string_view rest = text;
  std::string out;
  out.reserve(text.size());
  for (size_t at; (at = rest.find(placeholder)) != rest.npos; rest.remove_prefix(at + placeholder.size())) {
    out.append(rest.substr(0, at)).append(replacement);
  }
  auto end = rest.size() - begun(rest);
  out.append(rest.substr(0, end));
  held = rest.substr(end);
  return out;
}
