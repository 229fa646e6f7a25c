// A front end of somebody else's: assistant-ui over AG-UI, on a page of another origin than the server.
import { HttpAgent, type RunAgentInput } from "@ag-ui/client";
import { AssistantRuntimeProvider, ComposerPrimitive, MessagePrimitive, ThreadPrimitive } from "@assistant-ui/react";
import { useAgUiInterrupts, useAgUiRuntime } from "@assistant-ui/react-ag-ui";
import { createRoot } from "react-dom/client";
import { concatMap } from "rxjs";

const url = `${document.body.dataset.server}/ag-ui`;
const headers = { Authorization: "Bearer guest" };
const isNew = !location.hash;
const threadId = location.hash.slice(1) || (location.hash = crypto.randomUUID());

/** A run that comes twice is one turn: where the server restarts, it is asked again. */
async function patient(where: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(where, init).catch(() => null);
  if (answer && answer.status !== 503) return answer;
  await new Promise((done) => setTimeout(done, 500));
  init.signal?.throwIfAborted();
  return patient(where, init);
}

/** What a snapshot has of the last answer, as it would be streamed: of one that goes on assistant-ui shows that alone. */
function streamed({ id, role, content, toolCalls, toolCallId }: any): any[] {
  if (role === "tool") return [{ type: "TOOL_CALL_RESULT", messageId: id, toolCallId, content }];
  if (content) return [{ type: "TEXT_MESSAGE_CHUNK", messageId: id, role, delta: content }];
  return (toolCalls ?? []).map(({ id: called, function: { name, arguments: delta } }: any) => {
    return { type: "TOOL_CALL_CHUNK", toolCallId: called, toolCallName: name, delta };
  });
}

class Agent extends HttpAgent {
  /** A run without a message is the page's first: it reads what was said, and the rest of what runs. */
  override run(input: RunAgentInput) {
    this.url = input.messages.length ? url : `${url}/agent/default/connect`;
    const told = (event: any) => {
      if (event.type !== "MESSAGES_SNAPSHOT") return [event];
      const answer = event.messages.findLastIndex(({ role }: any) => role === "user") + 1;
      return [{ ...event, messages: event.messages.slice(0, answer) }, ...event.messages.slice(answer).flatMap(streamed)];
    };
    return super.run(input).pipe(concatMap(told));
  }
}

const agent = new Agent({ url, headers, threadId, fetch: patient });
const stop = () => fetch(`${url}/agent/default/stop/${threadId}`, { method: "POST", headers });
const history = { load: async () => ({ messages: [], unstable_resume: !isNew }), append: async () => {} };

function Tool({ toolName, toolCallId, result, approval, respondToApproval }: any) {
  const asked = useAgUiInterrupts().find((one) => one.toolCallId === toolCallId);
  if (!asked) return <p className="tool">{`${toolName}: ${JSON.stringify(result)}`}</p>;
  return (
    <p className="tool">
      {asked.message}
      <button onClick={() => respondToApproval({ approved: true })}>Allow</button>
      <button onClick={() => respondToApproval({ approved: false })}>Refuse</button>
    </p>
  );
}

function Chat() {
  const runtime = useAgUiRuntime({ agent, adapters: { history } });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <ThreadPrimitive.Messages>
        {({ message }) => (
          <MessagePrimitive.Root className={message.role} data-status={message.status?.type}>
            <MessagePrimitive.Parts components={{ tools: { Fallback: Tool } }} />
            <MessagePrimitive.Error>The answer broke off.</MessagePrimitive.Error>
          </MessagePrimitive.Root>
        )}
      </ThreadPrimitive.Messages>
      <ComposerPrimitive.Root>
        <ComposerPrimitive.Input aria-label="Message" />
        <ComposerPrimitive.Cancel onClick={stop}>Stop</ComposerPrimitive.Cancel>
      </ComposerPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

createRoot(document.querySelector("main")!).render(<Chat />);
