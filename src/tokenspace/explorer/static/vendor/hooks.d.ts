/** What we use of preact/hooks. */
export function useState<T>(first: T | (() => T)): [T, (next: T | ((last: T) => T)) => void];
export function useRef<T>(first: T | null): { current: T };
export function useEffect(work: () => void | (() => void), on?: unknown[]): void;
export function useLayoutEffect(work: () => void | (() => void), on?: unknown[]): void;
export function useMemo<T>(make: () => T, on: unknown[]): T;
export function useId(): string;
