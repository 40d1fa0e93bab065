#!/usr/bin/env bash
# Asks a running lab with curl: first one model, then the chat that plans with tools.
set -euo pipefail
url=${LLMLAB_URL:-http://127.0.0.1:8000}
key=${LLMLAB_API_KEY:-$(llmlab key)}

ask() { curl -sS "$url$1" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' -d "$2"; }

ask /v1/chat/completions \
	'{"model": "lab-mini", "messages": [{"role": "user", "content": "Hello!"}]}'
echo
ask /chat '{"message": "What is 25 * 67?"}'
echo
