"""Looking at exchanges: their stories, and the chain behind mitmproxy (whose one door this package is)."""
