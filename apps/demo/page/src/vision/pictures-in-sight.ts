import { draft } from "../chat/draft";
import { picturesOf, type Picture } from "../conversation/conversation";
import { history, openId } from "../conversation/history";
import { useObservable } from "../observable";

/** The pictures of the open conversation, and then those of the question that is being written. */
export function usePicturesInSight(): readonly Picture[] {
  const { conversations } = useObservable(history);
  const id = useObservable(openId);
  const drafted = useObservable(draft, (now) => now.pictures);
  const conversation = conversations.find((one) => one.id === id);
  return [...picturesOf(conversation?.messages ?? []), ...drafted];
}
