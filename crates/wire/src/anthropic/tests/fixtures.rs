//! Exchanges written by hand, in the vendor's form.

/// A request with one of nearly everything.
pub(super) const REQUEST: &str = r#"{
  "model": "claude-sonnet-4-5", "max_tokens": 4000, "stream": true, "temperature": 1.0, "top_k": 40,
  "stop_sequences": ["END"], "metadata": {"user_id": "u-1"}, "service_tier": "standard_only",
  "cache_control": {"type": "ephemeral"}, "container": "container_1", "x_future": {"a": [1, 2.50]},
  "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
  "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
  "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object", "properties": {"z": {}, "a": {}}}}},
  "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
  "tools": [
    {"name": "weather", "description": "Tells.", "input_schema": {"type": "object"}, "strict": true, "defer_loading": true,
     "cache_control": {"type": "ephemeral"}},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
  ],
  "messages": [
    {"role": "user", "content": [
      {"type": "text", "text": "Look."},
      {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}, "cache_control": {"type": "ephemeral", "ttl": "5m"}},
      {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
      {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}, "title": "T", "context": "C", "citations": {"enabled": true}},
      {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
      {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}},
      {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
      {"type": "search_result", "source": "https://s.example", "title": "S", "content": [{"type": "text", "text": "found"}], "citations": {"enabled": true}},
      {"type": "container_upload", "file_id": "file_2"}
    ]},
    {"role": "assistant", "content": [
      {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
      {"type": "redacted_thinking", "data": "ZW5j"},
      {"type": "text", "text": "Sunny?", "citations": [{"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": "T", "start_char_index": 0, "end_char_index": 1}]},
      {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
      {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
      {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Wien", "n": 1.10}, "caller": {"type": "direct"}}
    ]},
    {"role": "user", "content": [
      {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": [{"type": "text", "text": "no"}, {"type": "image", "source": {"type": "file", "file_id": "file_3"}}]},
      {"type": "text", "text": "And now?"}
    ]},
    {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}
  ]
}"#;

/// An answer with thoughts, text with a source, a server tool and a call.
pub(super) const REPLY: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929",
"content":[
 {"type":"thinking","thinking":"Let me see.","signature":"c2ln"},
 {"type":"redacted_thinking","data":"ZW5j"},
 {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"rain"}},
 {"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://a.example","title":"A","encrypted_content":"x","page_age":null}]},
 {"type":"text","text":"It rains.","citations":[{"type":"web_search_result_location","url":"https://a.example","title":"A","encrypted_index":"y","cited_text":"rain"}]},
 {"type":"tool_use","id":"toolu_1","name":"umbrella","input":{"open":true}}],
"stop_reason":"tool_use","stop_sequence":null,
"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3},"output_tokens":42,"output_tokens_details":{"thinking_tokens":7},"server_tool_use":{"web_search_requests":1,"web_fetch_requests":0},"service_tier":"standard"}}"#;

/// The same answer in a stream.
pub(super) const STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3},"output_tokens":1,"service_tier":"standard"}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"see."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"ZW5j"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"query\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"rain\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://a.example","title":"A","encrypted_content":"x","page_age":null}]}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: content_block_start
data: {"type":"content_block_start","index":4,"content_block":{"type":"text","text":"","citations":[]}}

event: content_block_delta
data: {"type":"content_block_delta","index":4,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://a.example","title":"A","encrypted_index":"y","cited_text":"rain"}}}

event: content_block_delta
data: {"type":"content_block_delta","index":4,"delta":{"type":"text_delta","text":"It rains."}}

event: content_block_stop
data: {"type":"content_block_stop","index":4}

event: content_block_start
data: {"type":"content_block_start","index":5,"content_block":{"type":"tool_use","id":"toolu_1","name":"umbrella","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":"{\"open\":true}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":5}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"output_tokens":42,"output_tokens_details":{"thinking_tokens":7},"server_tool_use":{"web_search_requests":1,"web_fetch_requests":0}}}

event: message_stop
data: {"type":"message_stop"}

"#;
